//! One gateway is replaced by another on sockets that both were handed, as systemd hands them over: nobody is refused, nothing is lost.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tempfile::TempDir;

use crate::client::get;
use crate::configured;
use crate::load::{Ask, Connecting, Load, Tally};
use crate::process::Gateway;
use crate::server::Server;

/// What systemd would hold: the sockets, and the directory of the configuration.
struct Held {
    network: TcpListener,
    admin: UnixListener,
    directory: Arc<TempDir>,
}

impl Held {
    fn before(server: &Server) -> Self {
        let directory = TempDir::new().unwrap();
        let network = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = UnixListener::bind(directory.path().join("admin.sock")).unwrap();
        let listener = format!("address: {}", network.local_addr().unwrap());
        let configuration =
            configured(&listener, ", socket: admin.sock").replace("{upstream}", &server.address.to_string());
        std::fs::write(directory.path().join("gateway.yaml"), configuration).unwrap();
        Self { network, admin, directory: Arc::new(directory) }
    }

    fn start(&self) -> Gateway {
        Gateway::start_on(&self.network, &self.admin, self.directory.clone())
    }
}

#[track_caller]
fn nobody_was_turned_away(tally: &Tally) {
    tally.is_whole();
    assert_eq!((tally.refused.load(Ordering::Relaxed), tally.silent.load(Ordering::Relaxed)), (0, 0));
}

/// A client of the record can be read over the admin socket.
fn answers_operators(gateway: &Gateway) {
    let output = gateway.run(&["--json", "clients", "list"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_beside_the_old_one_takes_over_under_load_and_nobody_notices() {
    let server = Server::start();
    let held = Held::before(&server);
    let mut gateway = held.start();
    let mut load = Load::of_all_kinds(gateway.address);
    load.until_more(200).await;
    for _ in 0..3 {
        let successor = held.start();
        load.until_more(100).await;
        gateway.signal("TERM");
        assert_eq!(gateway.ended(), Some(0), "{}", gateway.log());
        gateway = successor;
        answers_operators(&gateway);
        load.until_more(200).await;
        assert!(load.goes_on());
    }
    let tally = load.end().await;
    nobody_was_turned_away(&tally);
    assert!(tally.closed.load(Ordering::Relaxed) >= 6, "kept connections were told to move");
    assert_eq!(server.clients(), tally.clients());
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), Some(0));
    assert!(gateway.file("admin.sock").exists(), "the socket is whose it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_between_the_end_of_one_and_the_start_of_the_next_waits() {
    let server = Server::start();
    let held = Held::before(&server);
    let mut gateway = held.start();
    let mut load = Load::pausing(Duration::ZERO);
    for ask in [Ask::Page, Ask::Registration] {
        load.add(4, (ask, Connecting::Anew), gateway.address);
    }
    load.until_more(100).await;
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), Some(0), "{}", gateway.log());
    let before = load.tally.answered();
    // Of somebody who comes when certainly nobody is there.
    let waiting = tokio::spawn(get(gateway.address, "/authorize"));
    let gateway = held.start();
    assert_eq!(waiting.await.unwrap().status, 200);
    load.until_more(100).await;
    let tally = load.end().await;
    nobody_was_turned_away(&tally);
    assert!(tally.answered() > before);
    answers_operators(&gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_no_setting_names_is_a_mistake_that_is_told() {
    let server = Server::start();
    let held = Held::before(&server);
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stranger.local_addr().unwrap().to_string();
    let output = Command::new("sh")
        .args(["-c", "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\""])
        .args([env!("CARGO_BIN_EXE_dcr-gateway"), "serve", "--config", "gateway.yaml"])
        .current_dir(held.directory.path())
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(stranger)))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&address) && said.contains("ListenStream="), "{said}");
}
