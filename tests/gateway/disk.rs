//! The disk under the record: full for real, or gone with its directory.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use dcr_gateway::store::Clients as _;
use dcr_gateway::store::settings::StoreUrl;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{get, register};
use crate::flow::{self, refused};
use crate::killed::open;
use crate::process::Gateway;
use crate::staged::{Staged, Tokens};

/// The record lies in a directory of its own.
fn configuration() -> String {
    flow::configuration()
        .replace("    limits: { rate: 1/h, burst: 3 }\n", "")
        .replace("sqlite://gateway.db\"", "sqlite://data/gateway.db\", encryption_key_file: key")
}

fn body(number: usize) -> Value {
    json!({"client_name": format!("Client {number}"), "redirect_uris": ["https://app.example.com/callback"]})
}

/// A file system of two megabytes. Gone when dropped.
struct Disk(PathBuf);

impl Disk {
    /// None where this user may not mount one.
    fn mounted_at(path: &Path) -> Option<Self> {
        fs::create_dir(path).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs"]).arg(path).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(path.to_owned()))
    }

    /// Writes to it until nothing more fits.
    fn fill(&self) {
        let mut filler = fs::OpenOptions::new().create(true).append(true).open(self.0.join("filler")).unwrap();
        while filler.write_all(&[0xA5; 512]).is_ok() {}
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_what_it_cannot_keep_and_recovers_when_there_is_room() {
    let directory = TempDir::new().unwrap();
    let Some(disk) = Disk::mounted_at(&directory.path().join("data")) else {
        eprintln!("skipped: only root may mount the small disk that this test fills");
        return;
    };
    let server = Staged::start(Tokens::Stay).await;
    let mut gateway = Gateway::start_in(directory, &configuration(), server.address);
    let token = gateway.token("partners", 10_000);
    let mut acknowledged = Vec::new();
    for _ in 0..3 {
        assert_eq!(get(gateway.admin, "/readyz").await.status, 200);
        disk.fill();
        // What is in the files already may take a few more.
        let refused_at = loop {
            let before = server.clients().len();
            let answer = register(gateway.address, Some(&token), &body(acknowledged.len())).await;
            if answer.status != 201 {
                refused(&answer, 503, "temporarily_unavailable");
                break before;
            }
            acknowledged.push(answer.client_id().unwrap());
            assert!(acknowledged.len() < 2_000, "the disk is never full");
            disk.fill();
        };
        assert_eq!(get(gateway.admin, "/readyz").await.status, 503);
        assert_eq!(get(gateway.admin, "/livez").await.status, 200);
        refused(&register(gateway.address, Some(&token), &body(0)).await, 503, "temporarily_unavailable");
        let unacknowledged = server.clients().len() - refused_at;
        assert!(unacknowledged <= 1, "{unacknowledged} were registered while nothing could be written");
        fs::remove_file(disk.0.join("filler")).unwrap();
        assert_eq!(get(gateway.admin, "/readyz").await.status, 200, "it recovers by itself");
        let answer = register(gateway.address, Some(&token), &body(acknowledged.len())).await;
        acknowledged.push(answer.client_id().unwrap_or_else(|| panic!("{answer:?}")));
    }
    gateway.kill();
    let store = open(StoreUrl::Sqlite(disk.0.join("gateway.db"))).await;
    for (number, client_id) in acknowledged.iter().enumerate() {
        let client = store.client(client_id).await.unwrap();
        assert!(client.is_some(), "{client_id}, the {number}th that was acknowledged");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_directory_nothing_is_registered_until_it_is_started_anew() {
    let server = Staged::start(Tokens::Stay).await;
    let mut gateway = Gateway::start(&configuration(), server.address);
    let token = gateway.token("partners", 10);
    assert_eq!(register(gateway.address, Some(&token), &body(0)).await.status, 201);
    fs::remove_dir_all(gateway.file("data")).unwrap();
    for number in 1..3 {
        refused(&register(gateway.address, Some(&token), &body(number)).await, 503, "temporarily_unavailable");
        assert_eq!(get(gateway.admin, "/readyz").await.status, 503);
        assert_eq!(get(gateway.admin, "/livez").await.status, 200);
    }
    assert_eq!(server.clients().len(), 1, "nothing that could not be recorded was registered");
    let metrics = get(gateway.admin, "/metrics").await.body;
    let failed = metrics.lines().find_map(|line| line.strip_prefix("dcr_store_errors_total{operation=\"write\"} "));
    assert!(failed.is_some_and(|count| count.parse::<u64>().unwrap() >= 2), "{metrics}");
    assert!(!gateway.file("data").exists(), "no empty record takes its place while it runs");
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), Some(0));
    gateway.restart();
    let token = gateway.token("partners", 1);
    assert_eq!(register(gateway.address, Some(&token), &body(3)).await.status, 201);
}
