//! A real `redis-server`, where one is on the `PATH`; `DCR_TEST_REDIS=required` makes its absence a failure.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A Redis of its own, gone with the test.
pub struct Server {
    process: Child,
    pub port: u16,
    /// Kept open, so that Redis can go on logging.
    _log: BufReader<ChildStdout>,
    _directory: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// None: there is no `redis-server` here, and nobody said that there must be.
    pub fn start(options: &[&str]) -> Option<Self> {
        // A port that was free a moment ago may be taken by another test.
        for _ in 0..20 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            match Self::start_on(port, options) {
                Started::Ready(server) => return Some(server),
                Started::PortTaken => {}
                Started::NotInstalled => {
                    let is_required = std::env::var("DCR_TEST_REDIS").is_ok_and(|wish| wish == "required");
                    assert!(!is_required, "DCR_TEST_REDIS=required, and there is no redis-server");
                    eprintln!("skipped: there is no redis-server on the PATH");
                    return None;
                }
            }
        }
        panic!("redis-server does not start");
    }

    pub fn start_on(port: u16, options: &[&str]) -> Started {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(directory.path());
        match options.contains(&"--tls-port") {
            true => command.args(["--port", "0", "--tls-auth-clients", "no"]),
            false => command.arg("--port").arg(port.to_string()),
        };
        for option in options {
            command.arg(if *option == "PORT" { port.to_string() } else { (*option).to_owned() });
        }
        let Ok(mut process) = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn() else {
            return Started::NotInstalled;
        };
        let mut log = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while log.read_line(&mut line).unwrap() > 0 {
            if line.contains("Ready to accept connections") {
                return Started::Ready(Self { process, port, _log: log, _directory: directory });
            }
            line.clear();
        }
        process.wait().unwrap();
        Started::PortTaken
    }
}

pub enum Started {
    Ready(Server),
    PortTaken,
    NotInstalled,
}
