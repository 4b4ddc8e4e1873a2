//! The executable itself, started before an authorization server of ours, stopped by its own process number.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take on a busy machine before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Becomes the executable, with its standard input and output as the sockets that `sd_listen_fds(3)` tells of.
const HANDS_OVER: &str = "exec 3<&0 4>&1 0</dev/null 1>/dev/null; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" \"$@\"";

/// A running gateway. Stopped when dropped.
pub struct Gateway {
    /// Where clients connect.
    pub address: SocketAddr,
    /// Where operators do.
    pub admin: SocketAddr,
    directory: Arc<TempDir>,
    /// What starts the executable, by becoming it; nothing where nothing has to be different for it.
    launcher: Vec<String>,
    process: Child,
    news: Receiver<Value>,
    log: Arc<Mutex<Vec<String>>>,
}

/// The executable with the configuration of `directory`.
pub fn command(launcher: &[String], directory: &Path, arguments: &[&str]) -> Command {
    let mut words = launcher.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_dcr-gateway")]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).current_dir(directory).args(arguments).args(["--config", "gateway.yaml"]);
    command
}

/// Starts it; what it writes is kept, and told line by line.
fn serve(launcher: &[String], directory: &Path, log: &Arc<Mutex<Vec<String>>>) -> (Child, Receiver<Value>) {
    listen_to(command(launcher, directory, &["serve"]).stdin(Stdio::null()).stdout(Stdio::null()), log)
}

fn listen_to(serving: &mut Command, log: &Arc<Mutex<Vec<String>>>) -> (Child, Receiver<Value>) {
    let mut process = serving.stderr(Stdio::piped()).spawn().unwrap();
    let (tell, news) = channel();
    let kept = log.clone();
    let lines = BufReader::new(process.stderr.take().unwrap()).lines();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let said = serde_json::from_str(&line).unwrap_or(Value::Null);
            kept.lock().unwrap().push(line);
            let _ = tell.send(said);
        }
    });
    (process, news)
}

impl Gateway {
    /// Starts it with a configuration in which `{upstream}` stands for the authorization server's address.
    pub fn start(configuration: &str, upstream: SocketAddr) -> Self {
        let directory = TempDir::new().unwrap();
        Self::start_in(directory, configuration, upstream)
    }

    /// The same, in a directory that holds files the configuration names.
    pub fn start_in(directory: TempDir, configuration: &str, upstream: SocketAddr) -> Self {
        Self::start_by(&[], directory, (configuration, upstream))
    }

    #[allow(dead_code, reason = "only tests/operation replaces one")]
    /// The executable in a directory that has its `gateway.yaml`, on listening sockets that it is handed as systemd hands them over.
    pub fn start_on(network: &TcpListener, admin: &UnixListener, directory: Arc<TempDir>) -> Self {
        let log = Arc::default();
        let launcher = ["sh", "-c", HANDS_OVER].map(str::to_owned).to_vec();
        let socket = |socket: std::io::Result<OwnedFd>| Stdio::from(socket.unwrap());
        let (process, news) = listen_to(
            command(&launcher, directory.path(), &["serve"])
                .stdin(socket(network.try_clone().map(OwnedFd::from)))
                .stdout(socket(admin.try_clone().map(OwnedFd::from))),
            &log,
        );
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut gateway = Self { address: unknown, admin: unknown, directory, launcher, process, news, log };
        gateway.learn_addresses();
        gateway
    }

    /// The same, started by another command that becomes it, with the environment or the limits that it gives: `env`, `prlimit`.
    pub fn start_by(launcher: &[&str], directory: TempDir, (configuration, upstream): (&str, SocketAddr)) -> Self {
        let configuration = configuration.replace("{upstream}", &upstream.to_string());
        std::fs::write(directory.path().join("gateway.yaml"), configuration).unwrap();
        let log = Arc::default();
        let launcher: Vec<String> = launcher.iter().map(|word| (*word).to_owned()).collect();
        let (process, news) = serve(&launcher, directory.path(), &log);
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let directory = Arc::new(directory);
        let mut gateway = Self { address: unknown, admin: unknown, directory, launcher, process, news, log };
        gateway.learn_addresses();
        gateway
    }

    fn learn_addresses(&mut self) {
        self.admin = self.told_address("admin listening");
        self.address = self.told_address("listening");
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again after its end, in the same directory, at other addresses.
    pub fn restart(&mut self) {
        (self.process, self.news) = serve(&self.launcher, self.directory.path(), &self.log);
        self.learn_addresses();
    }

    fn told_address(&self, message: &str) -> SocketAddr {
        let said = self.told(|said| said["message"] == message);
        said["address"].as_str().and_then(|address| address.parse().ok()).expect("an address")
    }

    /// Waits for the next line of the log that is this one.
    pub fn told(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.news.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(said) if wanted(&said) => return said,
                Ok(_) => {}
                Err(_) => panic!("never said; what was:\n{}", self.log()),
            }
        }
    }

    /// Everything it has written so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// A file beside the configuration.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs another command with the same configuration, while it serves.
    pub fn run(&self, arguments: &[&str]) -> Output {
        command(&[], self.directory.path(), arguments).output().unwrap()
    }

    /// A fresh initial access token for a profile.
    pub fn token(&self, profile: &str, uses: u32) -> String {
        let uses = uses.to_string();
        let output = self.run(&["--json", "tokens", "create", "--profile", profile, "--ttl", "1h", "--uses", &uses]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        told["token"].as_str().expect("a token").to_owned()
    }

    /// Sends it a signal by name: `TERM`, `HUP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until it has ended; its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            std::thread::yield_now();
        }
        panic!("still there:\n{}", self.log())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
