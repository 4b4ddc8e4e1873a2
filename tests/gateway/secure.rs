//! Over TLS: HTTP/2, and client certificates that decide the profile.

use std::net::SocketAddr;

use dcr_gateway::secret::Secret;
use reqwest::{Certificate, Client, Identity};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::configuration::on_base;
use crate::process::Gateway;
use crate::upstream::Upstream;

const OWN: &str = r#"
listeners:
  - address: 127.0.0.1:0
    tls:
      certificate: server.pem
      private_key: server.key
      client_certificates: { request: optional, trust: [ca.pem, other/ca.pem], issuers_without_list: accept }
authorization_server:
  credential: none
profiles:
  - name: partners
    match: { client_certificate: { san_dns: "*.partner.example" } }
    initial_access_token: off
    redirect_uris: { https: [{ host: app.example.com }] }
"#;

/// One more profile, for holders of tokens.
const HOLDERS: &str = r#"
  - name: holders
    match: { initial_access_token: true }
    redirect_uris: { https: [{ host: app.example.com }] }
"#;

/// A gateway, a client with a certificate, one with another certificate, and one without.
struct Setting {
    gateway: Gateway,
    upstream: Upstream,
    known: Client,
    other: Client,
    unknown: Client,
}

impl Setting {
    async fn start() -> Self {
        Self::with(&on_base(OWN)).await
    }

    async fn with(configuration: &str) -> Self {
        let upstream = Upstream::start().await;
        Self::before(upstream.address, upstream, configuration)
    }

    /// The same, before another server.
    fn before(server: SocketAddr, upstream: Upstream, configuration: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = TempDir::new().unwrap();
        std::fs::create_dir(directory.path().join("other")).unwrap();
        for directory in [directory.path().to_owned(), directory.path().join("other")] {
            dcr_gateway::demo::certificates::write(&directory).unwrap();
        }
        std::fs::write(directory.path().join("credential"), "operator").unwrap();
        let read = |name: &str| std::fs::read(directory.path().join(name)).unwrap();
        let authority = Certificate::from_pem(&read("ca.pem")).unwrap();
        let identity = |certificate, key| Identity::from_pem(&[read(certificate), read(key)].concat()).unwrap();
        let (identity, other) =
            (identity("client.pem", "client.key"), identity("other/client.pem", "other/client.key"));
        let gateway = Gateway::start_in(directory, configuration, server);
        let builder = || Client::builder().tls_certs_only([authority.clone()]).no_proxy();
        let known = builder().identity(identity).build().unwrap();
        let other = builder().identity(other).build().unwrap();
        Self { gateway, upstream, known, other, unknown: builder().http1_only().build().unwrap() }
    }

    /// A token for two registrations, good only together with the client's certificate.
    fn bound_token(&self) -> String {
        let pem = std::fs::read(self.gateway.file("client.pem")).unwrap();
        let certificate = x509_parser::pem::parse_x509_pem(&pem).unwrap().1.contents;
        let thumbprint: String = Sha256::digest(certificate).iter().map(|octet| format!("{octet:02x}")).collect();
        let arguments = ["--json", "tokens", "create", "--profile", "holders", "--ttl", "1h", "--uses", "2"];
        let made = self.gateway.run(&[&arguments[..], &["--certificate-thumbprint", &thumbprint]].concat());
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let told: Value = serde_json::from_slice(&made.stdout).unwrap();
        told["token"].as_str().unwrap().to_owned()
    }
}

async fn post(client: &Client, address: SocketAddr, body: &Value) -> reqwest::Response {
    let url = format!("https://localhost:{}/register", address.port());
    client
        .post(url)
        .header("client-cert", ":Zm9yZ2Vk:")
        .header("x-ssl-client-verify", "SUCCESS")
        .json(body)
        .send()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_decides_the_profile_and_a_header_does_not() {
    let setting = Setting::start().await;
    let body = json!({"client_name": "Orders", "redirect_uris": ["https://app.example.com/callback"]});
    let answer = post(&setting.known, setting.gateway.address, &body).await;
    assert_eq!((answer.status().as_u16(), answer.version()), (201, http::Version::HTTP_2));
    let [received] = setting.upstream.take().try_into().expect("one request");
    assert!(
        !received.text().contains("Zm9yZ2Vk") && !received.text().to_lowercase().contains("x-ssl"),
        "{}",
        received.text()
    );

    let answer = post(&setting.unknown, setting.gateway.address, &body).await;
    assert_eq!(answer.status().as_u16(), 403);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"], "access_denied");
    assert!(setting.upstream.take().is_empty());
}

/// Two hosts: browsers are asked for a certificate at neither but the second.
const TWO_HOSTS: &str = r#"
mtls_url: https://mtls.sso.example.com
listeners:
  - address: 127.0.0.1:0
    tls: { certificate: server.pem, private_key: server.key }
  - address: 127.0.0.1:0
    tls:
      certificate: server.pem
      private_key: server.key
      client_certificates: { request: required, trust: [ca.pem], issuers_without_list: accept }
authorization_server:
  credential: { bearer_token_file: credential }
profiles:
  - name: partners
    match: { client_certificate: { san_dns: "*.partner.example" } }
    initial_access_token: off
    redirect_uris: { https: [{ host: app.example.com }] }
  - name: everybody
    match: {}
    initial_access_token: off
    redirect_uris: { https: [{ host: app.example.com }] }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_needs_a_certificate_manages_itself_where_it_is_asked_for_one() {
    use dcr_gateway::demo::authorization_server::{Settings, router};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let (issuer, credential) = ("https://sso.example.com".to_owned(), Secret::new("operator"));
    tokio::spawn(axum::serve(listener, router(Settings { issuer, credential })).into_future());
    let setting = Setting::before(server, Upstream::start().await, &on_base(TWO_HOSTS));
    let told = setting.gateway.told(|said| said["message"] == "listening");
    let mtls: SocketAddr = told["address"].as_str().unwrap().parse().unwrap();

    let mut body = json!({"client_name": "Orders", "redirect_uris": ["https://app.example.com/callback"]});
    let registered: Value = post(&setting.known, mtls, &body).await.json().await.unwrap();
    let uri = registered["registration_client_uri"].as_str().unwrap();
    let path = uri.strip_prefix("https://mtls.sso.example.com").unwrap_or_else(|| panic!("{registered}"));
    let token = registered["registration_access_token"].as_str().unwrap();
    body["client_id"] = registered["client_id"].clone();
    let at = |method, address: SocketAddr| {
        let url = format!("https://localhost:{}{path}", address.port());
        setting.known.request(method, url).bearer_auth(token)
    };
    for asked in [at(http::Method::GET, mtls), at(http::Method::PUT, mtls).json(&body)] {
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        assert_eq!(answer.json::<Value>().await.unwrap()["registration_client_uri"], uri);
    }
    let elsewhere = at(http::Method::GET, setting.gateway.address).send().await.unwrap();
    assert_eq!(elsewhere.status().as_u16(), 403, "there nobody is asked for one");

    body.as_object_mut().unwrap().remove("client_id");
    let anybodys: Value = post(&setting.unknown, setting.gateway.address, &body).await.json().await.unwrap();
    let uri = anybodys["registration_client_uri"].as_str().unwrap_or_else(|| panic!("{anybodys}"));
    assert!(uri.starts_with("https://sso.example.com/"), "{uri}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_bound_to_a_certificate_registers_only_over_a_connection_that_proves_it() {
    let setting = Setting::with(&(on_base(OWN) + HOLDERS)).await;
    let token = setting.bound_token();
    let body = json!({"client_name": "Orders", "redirect_uris": ["https://app.example.com/callback"]});
    let present = async |client: &Client| {
        let url = format!("https://localhost:{}/register", setting.gateway.address.port());
        client.post(url).bearer_auth(&token).json(&body).send().await.unwrap()
    };
    for stranger in [&setting.unknown, &setting.other] {
        let answer = present(stranger).await;
        assert_eq!(answer.status().as_u16(), 401);
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains(r#"error="invalid_token""#), "{challenge}");
    }
    assert!(setting.upstream.take().is_empty(), "nothing reached the server");
    for _ in 0..2 {
        assert_eq!(present(&setting.known).await.status().as_u16(), 201, "no use was spent by the strangers");
    }
    assert_eq!(present(&setting.known).await.status().as_u16(), 401, "both uses are spent");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_certificate_is_one_registrant_however_many_tokens_it_presents() {
    let configuration = on_base(OWN).replace("initial_access_token: off", "initial_access_token: required");
    let limited = configuration
        .replace("  - name: partners", "  - name: holders\n    limits: { rate: 1/h, burst: 2, live_clients: 1 }");
    let setting = Setting::with(&limited).await;
    let url = format!("https://localhost:{}/register", setting.gateway.address.port());
    let mut answers = Vec::new();
    for name in ["One", "Two", "Three"] {
        let body = json!({"client_name": name, "redirect_uris": ["https://app.example.com/callback"]});
        let request = setting.known.post(&url).bearer_auth(setting.bound_token()).json(&body);
        let answer = request.send().await.unwrap();
        answers.push((answer.status().as_u16(), answer.json::<Value>().await.unwrap()["error_description"].clone()));
    }
    assert_eq!(answers.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [201, 429, 429], "{answers:?}");
    assert!(answers[1].1.as_str().unwrap().contains("has 1 client,"), "its quota of live clients: {answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_on_one_connection_are_judged_one_by_one() {
    let setting = Setting::start().await;
    let mut sent = tokio::task::JoinSet::new();
    for number in 0..40_u16 {
        let host = if number.is_multiple_of(2) { "app.example.com" } else { "evil.example" };
        let body = json!({"redirect_uris": [format!("https://{host}/{number}")]});
        let (client, address) = (setting.known.clone(), setting.gateway.address);
        sent.spawn(async move { (number, post(&client, address, &body).await.status().as_u16()) });
    }
    for (number, status) in sent.join_all().await {
        assert_eq!(status, if number.is_multiple_of(2) { 201 } else { 400 }, "{number}");
    }
    let received = setting.upstream.take();
    assert_eq!(received.len(), 20);
    assert!(received.iter().all(|request| !request.text().contains("evil")));
}
