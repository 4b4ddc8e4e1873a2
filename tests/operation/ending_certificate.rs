//! A certificate that will soon end is told of in the log, in the metrics and to receivers of alerts, and so is that it was replaced.

use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use crate::certificates::Authority;
use crate::client::get;
use crate::configured;
use crate::hook::Hook;
use crate::process::Gateway;
use crate::server::Server;

/// Writes one that is good for so many days.
fn certify(directory: &std::path::Path, authority: &Authority, days: i64) {
    let credential = authority.credential_valid_until("server", 7, OffsetDateTime::now_utc() + Duration::days(days));
    std::fs::write(directory.join("server.pem"), credential.certificate).unwrap();
    std::fs::write(directory.join("server.key"), credential.key).unwrap();
}

/// The days that the metrics say are left.
async fn days_left(gateway: &Gateway) -> i64 {
    let metrics = get(gateway.admin, "/metrics").await.body;
    let of_it = |line: &&str| line.starts_with("dcr_certificate_expiry") && line.contains("server_certificate");
    let line = metrics.lines().find(of_it).unwrap_or_else(|| panic!("no expiry in {metrics}"));
    let seconds: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
    #[allow(clippy::cast_possible_truncation, reason = "days")]
    let days = (seconds / 86_400.0).round() as i64;
    days
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_will_soon_end_is_told_of_everywhere_and_so_is_its_replacement() {
    let (server, hook, authority) = (Server::start(), Hook::start(204).await, Authority::new("Server CA"));
    let directory = TempDir::new().unwrap();
    certify(directory.path(), &authority, 20);
    std::fs::write(directory.path().join("webhook"), "a secret that is known to both").unwrap();
    let receiver = format!(
        "alerts: [{{ name: hook, webhook: \"http://{}/dcr\", secret_file: webhook, group_for: 0ms, on: [health] }}]\n",
        hook.address
    );
    let listener = "address: 127.0.0.1:0, tls: { certificate: server.pem, private_key: server.key }";
    let configuration = configured(listener, "") + &receiver;
    let gateway = Gateway::start_in(directory, &configuration, server.address);
    let warned = gateway.told(|said| said["message"].as_str().is_some_and(|said| said.contains("will soon end")));
    assert!(warned["file"].as_str().unwrap().ends_with("server.pem") && warned["level"] == "WARN", "{warned}");
    assert_eq!(days_left(&gateway).await, 20);
    let told = |status: &'static str| {
        move |sent: &[crate::hook::Sent]| {
            let mut notices = sent.iter().flat_map(crate::hook::Sent::notices);
            notices.any(|notice| notice["name"] == "certificate_ending" && notice["status"] == status)
        }
    };
    hook.until(told("firing")).await;

    let directory = gateway.file("");
    certify(&directory, &authority, 90);
    gateway.told(|said| said["message"] == "configuration reloaded");
    assert_eq!(days_left(&gateway).await, 90);
    hook.until(told("resolved")).await;
}
