//! Client certificates: off, optional, required, revoked, and what a reload does to connections already open.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dcr_gateway::proxy::FileKind;
use pingora::tls::ClientTlsStream;
use rustls::client::Resumption;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::backend::{header_values, mirror};
use crate::certificates::{Authority, Credential, ServerFiles};
use crate::gateway::{Gateway, PATIENCE, REGISTER, listener, settings};
use crate::raw::{RawAnswer, read_answer};

struct Scene {
    server: Authority,
    clients: Authority,
    files: ServerFiles,
    gateway: Gateway,
    request: &'static str,
}

impl Scene {
    async fn new(request: &'static str, revoked: Option<&[u64]>) -> Self {
        let (server, clients) = (Authority::new("Server CA"), Authority::new("Client CA"));
        let files = server.server_files();
        files.write("ca.pem", &clients.pem());
        if let Some(revoked) = revoked {
            files.write("ca.crl", &clients.revocation_list(revoked, tomorrow()));
        }
        let gateway = Gateway::start(settings(files.mutual_tls_listener(request), mirror().await));
        Self { server, clients, files, gateway, request }
    }

    fn reload(&self) {
        let mut new = self.gateway.settings.clone();
        new.listeners = vec![listener(self.files.mutual_tls_listener(self.request))];
        self.gateway.proxy.reload(new).unwrap_or_else(|problems| panic!("{problems:?}"));
    }

    async fn connect(&self, own: Option<&Credential>) -> ClientTlsStream<TcpStream> {
        self.server.connect(self.gateway.address, own, &[b"http/1.1"]).await.unwrap()
    }

    /// TLS 1.3 tells a client that its certificate was refused only once it reads.
    async fn is_refused(&self, own: Option<&Credential>) -> bool {
        let Ok(mut stream) = self.server.connect(self.gateway.address, own, &[b"http/1.1"]).await else { return true };
        if stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await.is_err() {
            return true;
        }
        let mut byte = [0];
        !matches!(tokio::time::timeout(PATIENCE, stream.read(&mut byte)).await.unwrap(), Ok(1))
    }
}

fn tomorrow() -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::days(1)
}

async fn register(stream: &mut ClientTlsStream<TcpStream>) -> RawAnswer {
    let request = format!("POST {REGISTER} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}");
    stream.write_all(request.as_bytes()).await.unwrap();
    read_answer(stream).await
}

fn certificate_seen(answer: &RawAnswer) -> Value {
    assert_eq!(answer.status, 201, "{}", answer.body);
    serde_json::from_str::<Value>(&answer.body).unwrap()["certificate"].clone()
}

#[tokio::test]
async fn off_asks_for_nothing() {
    let scene = Scene::new("off", None).await;
    let own = scene.clients.credential("partner", 7);
    for own in [None, Some(&own)] {
        let answer = register(&mut scene.connect(own).await).await;
        assert_eq!(certificate_seen(&answer), Value::Null);
        assert!(answer.body.contains("\"tls\":\"1.3\""), "{}", answer.body);
    }
}

#[tokio::test]
async fn optional_takes_none_or_a_good_one() {
    let scene = Scene::new("optional", None).await;
    let own = scene.clients.credential("partner", 7);
    assert_eq!(certificate_seen(&register(&mut scene.connect(None).await).await), Value::Null);
    assert_eq!(certificate_seen(&register(&mut scene.connect(Some(&own)).await).await), "CN=partner");
    let stranger = Authority::new("Another CA").credential("partner", 7);
    assert!(scene.is_refused(Some(&stranger)).await);
    let expired = scene.clients.credential_valid_until("late", 8, OffsetDateTime::now_utc() - Duration::hours(1));
    assert!(scene.is_refused(Some(&expired)).await);
}

#[tokio::test]
async fn required_takes_a_good_one_only_and_counts_the_rest() {
    let scene = Scene::new("required", None).await;
    let own = scene.clients.credential("partner", 7);
    assert_eq!(certificate_seen(&register(&mut scene.connect(Some(&own)).await).await), "CN=partner");
    assert!(scene.is_refused(None).await);
    assert!(scene.is_refused(Some(&Authority::new("Another CA").credential("x", 1))).await);
    let counters = &scene.gateway.proxy.counters()[0];
    assert_eq!(counters.handshakes_certificate_refused.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_in_the_handshake() {
    let scene = Scene::new("optional", Some(&[7])).await;
    let (revoked, good) = (scene.clients.credential("gone", 7), scene.clients.credential("partner", 8));
    assert!(scene.is_refused(Some(&revoked)).await);
    assert_eq!(certificate_seen(&register(&mut scene.connect(Some(&good)).await).await), "CN=partner");
}

#[tokio::test]
async fn a_reload_that_revokes_is_felt_by_the_next_request_of_an_open_connection() {
    let scene = Scene::new("optional", Some(&[])).await;
    let (revoked, good) = (scene.clients.credential("gone", 7), scene.clients.credential("partner", 8));
    let mut streams = [scene.connect(Some(&revoked)).await, scene.connect(Some(&good)).await];
    for stream in &mut streams {
        assert_eq!(register(stream).await.status, 201);
    }
    scene.files.write("ca.crl", &scene.clients.revocation_list(&[7], tomorrow()));
    scene.reload();
    let [revoked_stream, good_stream] = &mut streams;
    let answer = register(revoked_stream).await;
    assert_eq!(answer.status, 401);
    assert!(answer.body.contains("Certificate"), "{}", answer.body);
    assert_eq!(register(good_stream).await.status, 201);
    assert_eq!(register(good_stream).await.status, 201);
}

#[tokio::test]
async fn a_reload_that_removes_the_ca_is_felt_by_an_open_connection() {
    let scene = Scene::new("optional", None).await;
    let own = scene.clients.credential("partner", 7);
    let (mut with, mut without) = (scene.connect(Some(&own)).await, scene.connect(None).await);
    assert_eq!(register(&mut with).await.status, 201);
    assert_eq!(register(&mut without).await.status, 201);
    scene.files.write("ca.pem", &Authority::new("Another CA").pem());
    scene.reload();
    assert_eq!(register(&mut with).await.status, 401);
    assert_eq!(register(&mut without).await.status, 201);
}

#[tokio::test]
async fn a_reload_that_requires_certificates_is_felt_by_a_connection_without() {
    let mut scene = Scene::new("optional", None).await;
    let mut stream = scene.connect(None).await;
    assert_eq!(register(&mut stream).await.status, 201);
    scene.request = "required";
    scene.reload();
    assert_eq!(register(&mut stream).await.status, 401);
}

#[tokio::test]
async fn a_reload_with_a_broken_file_changes_nothing_and_names_the_file() {
    let scene = Scene::new("optional", Some(&[7])).await;
    scene.files.write("ca.crl", "-----BEGIN X509 CRL-----\nnonsense\n-----END X509 CRL-----\n");
    let problems = scene.gateway.proxy.reload(scene.gateway.settings.clone()).unwrap_err();
    assert!(problems.iter().any(|problem| problem.to_string().contains("ca.crl")), "{problems:?}");
    assert!(scene.is_refused(Some(&scene.clients.credential("gone", 7))).await);
    assert!(!scene.is_refused(Some(&scene.clients.credential("partner", 8))).await);
}

#[tokio::test]
async fn a_reload_swaps_the_servers_own_certificate_without_dropping_connections() {
    let scene = Scene::new("off", None).await;
    let mut open = scene.connect(None).await;
    assert_eq!(register(&mut open).await.status, 201);
    let other = Authority::new("Other Server CA");
    let credential = other.credential("server", 2);
    scene.files.write("server.pem", &credential.certificate);
    scene.files.write("server.key", &credential.key);
    scene.reload();
    assert_eq!(register(&mut open).await.status, 201);
    assert!(scene.server.connect(scene.gateway.address, None, &[]).await.is_err());
    assert!(other.connect(scene.gateway.address, None, &[]).await.is_ok());
}

#[tokio::test]
async fn a_reload_of_every_file_drops_no_connection_and_no_request_under_way() {
    let scene = Scene::new("required", Some(&[])).await;
    let own = scene.clients.credential("partner", 7);
    let mut http1 = scene.connect(Some(&own)).await;
    let head = format!("POST {REGISTER} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{");
    http1.write_all(head.as_bytes()).await.unwrap();
    let http2 = scene.server.connect(scene.gateway.address, Some(&own), &[b"h2"]).await.unwrap();
    let (mut requests, connection) = h2::client::handshake(http2).await.unwrap();
    tokio::spawn(connection);
    let request = || http::Request::post(format!("https://localhost{REGISTER}")).body(()).unwrap();
    let (answer, mut body) = requests.send_request(request(), false).unwrap();
    body.send_data("{".into(), false).unwrap();

    let another = Authority::new("Another Client CA");
    let credential = scene.server.credential("server", 2);
    scene.files.write("server.pem", &credential.certificate);
    scene.files.write("server.key", &credential.key);
    scene.files.write("ca.pem", &(scene.clients.pem() + &another.pem()));
    let lists = [&scene.clients, &another].map(|authority| authority.revocation_list(&[8], tomorrow()));
    scene.files.write("ca.crl", &lists.concat());
    scene.reload();

    http1.write_all(b"}").await.unwrap();
    assert_eq!(certificate_seen(&read_answer(&mut http1).await), "CN=partner");
    body.send_data("}".into(), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 201);
    assert_eq!(register(&mut http1).await.status, 201);
    let (answer, _) = requests.send_request(request(), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 201);
    assert_eq!(scene.gateway.proxy.counters()[0].accepted.load(Ordering::SeqCst), 2);
    assert!(!scene.is_refused(Some(&another.credential("newcomer", 9))).await);
    assert!(scene.is_refused(Some(&another.credential("gone", 8))).await);
}

#[tokio::test]
async fn an_expired_revocation_list_refuses_unless_the_setting_accepts_it() {
    let scene = Scene::new("optional", Some(&[])).await;
    let own = scene.clients.credential("partner", 7);
    let yesterday = OffsetDateTime::now_utc() - Duration::days(1);
    scene.files.write("ca.crl", &scene.clients.revocation_list(&[], yesterday));
    scene.reload();
    assert!(scene.is_refused(Some(&own)).await);
    let ends = scene.gateway.proxy.file_ends();
    let list = ends.iter().find(|end| end.kind == FileKind::RevocationList).unwrap();
    assert_eq!((list.file.clone(), list.ends), (scene.files.path("ca.crl"), yesterday.unix_timestamp()));
    let kinds: Vec<_> = ends.iter().map(|end| end.kind.as_str()).collect();
    assert_eq!(kinds, ["revocation_list", "client_ca", "server_certificate"], "{ends:?}");
    let mut open = scene.files.mutual_tls_listener("optional");
    open["tls"]["client_certificates"]["expired_revocation_lists"] = "accept".into();
    let mut new = scene.gateway.settings.clone();
    new.listeners = vec![listener(open)];
    scene.gateway.proxy.reload(new).unwrap();
    assert_eq!(certificate_seen(&register(&mut scene.connect(Some(&own)).await).await), "CN=partner");
}

#[tokio::test]
async fn a_list_that_does_not_verify_counts_as_a_refused_certificate_and_one_of_another_key_is_not_taken() {
    let scene = Scene::new("optional", None).await;
    // The CA with a new key: trusted beside the old one while certificates of both are about, and the list is still of the old one.
    let anew = Authority::new("Client CA");
    scene.files.write("ca.crl", &scene.clients.revocation_list(&[], tomorrow()));
    scene.files.write("ca.pem", &format!("{}{}", scene.clients.pem(), anew.pem()));
    scene.reload();
    assert!(scene.is_refused(Some(&anew.credential("partner", 7))).await);
    let counters = &scene.gateway.proxy.counters()[0];
    assert_eq!(counters.handshakes_certificate_refused.load(Ordering::SeqCst), 1);
    assert_eq!(counters.handshakes_failed.load(Ordering::SeqCst), 0);

    scene.files.write("ca.pem", &anew.pem());
    let mut new = scene.gateway.settings.clone();
    new.listeners = vec![listener(scene.files.mutual_tls_listener("optional"))];
    let problems = scene.gateway.proxy.reload(new).unwrap_err();
    let said = problems[0].to_string();
    assert!(said.contains("ca.crl") && said.contains("not signed by the CA it names, CN=Client CA"), "{said}");
}

#[tokio::test]
async fn the_log_names_a_list_that_a_reload_found_past_its_next_update() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(Arc::new(log.reopen().unwrap())).finish();
    let _until_the_end = tracing::subscriber::set_default(lines);
    let scene = Scene::new("optional", Some(&[])).await;
    let yesterday = OffsetDateTime::now_utc() - Duration::days(1);
    scene.files.write("ca.crl", &scene.clients.revocation_list(&[], yesterday));
    scene.reload();
    let is_named = async {
        loop {
            let text = std::fs::read_to_string(log.path()).unwrap();
            if text
                .lines()
                .any(|line| line.contains("ERROR") && line.contains("ca.crl") && line.contains("past its end"))
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, is_named).await.expect("a line about the list");
}

#[tokio::test]
async fn sessions_are_never_resumed() {
    let scene = Scene::new("optional", None).await;
    let own = scene.clients.credential("partner", 7);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut config = scene.server.client_config_of(Some(&own), &[b"http/1.1"], &[version]);
        config.resumption = Resumption::in_memory_sessions(16);
        let connector = pingora::tls::TlsConnector::from(Arc::new(config));
        for _ in 0..3 {
            let tcp = TcpStream::connect(scene.gateway.address).await.unwrap();
            let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
            let mut stream = connector.connect(name, tcp).await.unwrap();
            assert_eq!(register(&mut stream).await.status, 201);
            let kind = stream.get_ref().1.handshake_kind().unwrap();
            assert_eq!(kind, rustls::HandshakeKind::Full);
        }
    }
}

#[tokio::test]
async fn http_2_sees_the_certificate_and_feels_the_reload() {
    let scene = Scene::new("optional", Some(&[])).await;
    let own = scene.clients.credential("partner", 7);
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .tls_backend_preconfigured(scene.server.client_config(Some(&own), &[b"h2"]))
        .resolve("localhost", scene.gateway.address)
        .build()
        .unwrap();
    let url = format!("https://localhost:{}{REGISTER}", scene.gateway.address.port());
    let answer = client.post(&url).body("{}").send().await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert_eq!(answer.json::<Value>().await.unwrap()["certificate"], "CN=partner");
    scene.files.write("ca.crl", &scene.clients.revocation_list(&[7], tomorrow()));
    scene.reload();
    assert_eq!(client.post(&url).body("{}").send().await.unwrap().status(), 401);
    assert_eq!(scene.gateway.proxy.counters()[0].accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_server_behind_sees_the_verified_certificate_as_rfc_9440_writes_it() {
    let scene = Scene::new("optional", None).await;
    let own = scene.clients.credential("partner", 7);
    let mut stream = scene.connect(Some(&own)).await;
    stream.write_all(b"GET /other HTTP/1.1\r\nHost: a\r\nClient-Cert: :forged:\r\n\r\n").await.unwrap();
    let seen: Value = serde_json::from_str(&read_answer(&mut stream).await.body).unwrap();
    let values = header_values(&seen, "client-cert");
    assert_eq!(values.len(), 1);
    assert!(values[0].starts_with(":MII") && values[0].ends_with(':'), "{values:?}");
}

#[tokio::test]
async fn problems_of_all_files_are_named_at_once() {
    let (server, backend) = (Authority::new("Server CA"), mirror().await);
    let files = server.server_files();
    files.write("server.key", "nothing");
    let problems = dcr_gateway::proxy::Proxy::new(
        settings(files.mutual_tls_listener("required"), backend),
        Arc::new(crate::gateway::Mirror::default()),
    )
    .err()
    .unwrap();
    let text = format!("{problems:?}");
    assert!(text.contains("server.key") && text.contains("ca.pem"), "{text}");
    files.write("server.key", &server.credential("another", 3).key);
    files.write("ca.pem", &server.pem());
    let problems = dcr_gateway::proxy::Proxy::new(
        settings(files.mutual_tls_listener("required"), backend),
        Arc::new(crate::gateway::Mirror::default()),
    )
    .err()
    .unwrap();
    assert!(problems[0].to_string().contains("server.key: is not the key of the certificate"), "{problems:?}");
}
