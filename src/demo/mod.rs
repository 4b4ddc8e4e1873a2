//! `dcr-gateway demo`: certificates, an initial access token, a small authorization server and the gateway in front of it,
//! with three commands to try. Needs nothing but the binary; what it writes stays in one directory.

pub mod authorization_server;
pub mod certificates;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::audit::recorder::alone;
use crate::audit::{Actor, Event, Kind, SigningKeys};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::randomness;
use crate::registrant::initial_access_token::{self, NewToken, TokenRandomness};
use crate::secret::Secret;
use crate::server::{self, Gateway, StartError};
use crate::store::InitialAccessTokens as _;
use crate::store::sql::SqlStore;

/// How long the demo's token is good, and how often.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
const TOKEN_USES: u32 = 100;

/// Where its gateway is administered, in its directory.
const ADMIN_SOCKET: &str = "admin.sock";

/// Its configuration, in its directory.
const CONFIGURATION: &str = "gateway.yaml";

/// Where the demo runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where certificates, configuration and store are written.
    pub directory: PathBuf,
    /// The port on the loopback address; 0 takes a free one.
    pub port: u16,
}

/// Why the demo does not run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The certificates.
    #[error(transparent)]
    Certificates(#[from] certificates::CertificateError),
    /// The configuration it wrote; a defect of ours.
    #[error("{0}")]
    Configuration(config::Problems),
    /// The gateway.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The initial access token.
    #[error("cannot make an initial access token: {0}")]
    Token(String),
    /// The port.
    #[error("cannot listen on port {0}: {1}; --port takes another, and --port 0 any free one")]
    Port(u16, std::io::Error),
    /// Another one reads what this one would write anew.
    #[error("a gateway runs in {} already: stop it, or take another --directory", .0.display())]
    Running(PathBuf),
    /// The system.
    #[error("{0}: {1}")]
    System(String, std::io::Error),
}

/// A demo that is ready to run.
pub struct Demo {
    gateway: Gateway,
    authorization_server: (TcpListener, axum::Router),
    prepared: Prepared,
}

/// What somebody needs to know who tries it.
pub struct Prepared {
    url: String,
    directory: PathBuf,
    token: Secret,
}

/// Runs the demo until Ctrl-C or SIGTERM; `say` is called when it is ready.
pub fn run(options: &Options, say: impl FnOnce(&Prepared)) -> Result<(), DemoError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| DemoError::System("runtime".to_owned(), error))?;
    runtime.block_on(async {
        let stop_signal = server::stop_signal().map_err(|error| DemoError::System("signals".to_owned(), error))?;
        let mut stop_signal = Box::pin(stop_signal);
        let demo = tokio::select! {
            biased;
            () = &mut stop_signal => return Ok(()),
            prepared = Demo::prepare(options) => prepared?,
        };
        say(&demo.prepared);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            stop_signal.await;
            let _ = stop.send(true);
        });
        demo.serve(stopped).await;
        Ok(())
    })
}

impl Demo {
    /// Writes everything into the directory and takes the ports.
    pub async fn prepare(options: &Options) -> Result<Self, DemoError> {
        let directory = options.directory.as_path();
        let at = |error| DemoError::System(directory.display().to_string(), error);
        // First: a demo that runs already reads the files in its directory.
        let port = free_port(options.port).await.map_err(|error| DemoError::Port(options.port, error))?;
        if UnixStream::connect(directory.join(ADMIN_SOCKET)).is_ok() {
            return Err(DemoError::Running(directory.to_owned()));
        }
        fs::create_dir_all(directory).map_err(at)?;
        certificates::write(directory)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(at)?;
        let server_address = listener.local_addr().map_err(at)?;
        let credential = randomness::name(randomness::of_the_system);
        certificates::write_anew(&directory.join("credential"), 0o600, &credential).map_err(at)?;
        let yaml = configuration(port, server_address);
        let file = directory.join(CONFIGURATION);
        fs::write(&file, yaml).map_err(at)?;
        let key_file = directory.join("audit.key");
        if !key_file.exists() {
            let mut key = Zeroizing::new([0; 32]);
            randomness::of_the_system(&mut *key);
            SigningKeys::add(&key_file, &key).map_err(|error| StartError::AuditKey { file: key_file, error })?;
        }

        let config = config::load(&file).map_err(DemoError::Configuration)?;
        let store = Arc::new(SqlStore::open(&config.settings.store).await.map_err(StartError::Store)?);
        let token = token(&store, &config).await?;
        let issuer = config.public_url.clone();
        let settings = authorization_server::Settings { issuer: issuer.clone(), credential: Secret::new(credential) };
        let gateway = Gateway::start(config, store).await?;
        let prepared = Prepared { url: issuer, directory: directory.to_owned(), token };
        Ok(Self { gateway, authorization_server: (listener, authorization_server::router(settings)), prepared })
    }

    /// What somebody needs to know who tries it.
    pub const fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// Runs the authorization server and the gateway until `stopped` is true.
    pub async fn serve(self, stopped: watch::Receiver<bool>) {
        let (listener, router) = self.authorization_server;
        let server = tokio::spawn(axum::serve(listener, router).into_future());
        self.gateway.run(stopped).await;
        server.abort();
    }
}

fn configuration(port: u16, server: SocketAddr) -> String {
    format!(
        r#"# Written by `dcr-gateway demo`. Everything a real one needs; config.yaml explains every key.
public_url: https://localhost:{port}
listeners:
  - address: 127.0.0.1:{port}
    tls:
      certificate: server.pem
      private_key: server.key
      client_certificates: {{ request: optional, trust: [ca.pem] }}
authorization_server:
  kind: rfc7591
  issuer: https://localhost:{port}
  url: http://{server}
  registration_path: /register
  credential: {{ bearer_token_file: credential }}
store: {{ url: "sqlite://gateway.db" }}
admin: {{ socket: {ADMIN_SOCKET} }}
audit: {{ signing_key_file: audit.key }}
profiles:
  - name: partners
    match: {{}}
    initial_access_token: required
    redirect_uris:
      https: [{{ host: app.example.com }}, {{ subdomains_of: partner.example, path: "^/oauth/" }}]
    scopes: {{ initial: [openid], allowed: [openid, profile], by_approval: ["orders:write"] }}
    limits: {{ rate: 10/s, burst: 20 }}
"#
    )
}

async fn token(store: &SqlStore, config: &Config) -> Result<Secret, DemoError> {
    let failed = |error: String| DemoError::Token(error);
    let wanted = NewToken {
        profile: "partners".to_owned(),
        label: Some("demo".to_owned()),
        lifetime: TOKEN_LIFETIME,
        max_uses: TOKEN_USES,
        certificate_thumbprint: None,
    };
    let settings = initial_access_token::IssuedTokenSettings::default();
    let issued = initial_access_token::issue(
        wanted,
        &settings,
        TokenRandomness::draw(randomness::of_the_system),
        SystemClock.now(),
    );
    let issued = issued.map_err(|error| failed(error.to_string()))?;
    let event = Event::new(Kind::TokenCreated, Actor::Operator { name: "demo".to_owned() });
    let event = event.of_token(&issued.token).because("demo");
    let beginning = server::beginning(&config.settings.audit, "demo", SystemClock.now())?;
    let keep = async |entries| store.create(issued.token, issued.hash, entries).await;
    alone(store, beginning, event, keep).await.map_err(|error| failed(error.to_string()))?;
    Ok(issued.text)
}

impl Prepared {
    /// For programs. The token is among it: it is the demo's, and its text is there to be used.
    pub fn json(&self) -> Value {
        json!({
            "url": self.url,
            "registration_endpoint": format!("{}/register", self.url),
            "configuration": self.directory.join(CONFIGURATION),
            "certificate_authority": self.directory.join("ca.pem"),
            "initial_access_token": self.token.expose(),
        })
    }

    /// For people: what runs where, and the commands.
    pub fn text(&self) -> String {
        let (url, directory, token) = (&self.url, self.directory.display(), self.token.expose());
        let curl = format!("curl --cacert {directory}/ca.pem {url}/register -H 'Content-Type: application/json'");
        format!(
            r#"
dcr-gateway runs at {url}, in front of a small authorization server.
Its configuration, certificates and store are in {directory}/. Ctrl-C stops it.

1. A registration that succeeds. It asks for more scopes than it gets: `orders:write` waits for an approval.

{curl} \
  -H 'Authorization: Bearer {token}' \
  -d '{{"client_name":"Orders","redirect_uris":["https://app.example.com/callback"],"scope":"openid profile orders:write"}}'

2. One that is refused: every redirect URI, and why.

{curl} \
  -H 'Authorization: Bearer {token}' \
  -d '{{"client_name":"Orders","redirect_uris":["https://evil.example/callback","https://app.example.com/callback#x","http://app.example.com/","https://eu.partner.example/callback"]}}'

3. One without a token.

{curl} \
  -d '{{"client_name":"Orders","redirect_uris":["https://app.example.com/callback"]}}'

4. The client of 1 gets `orders:write`. `clients show CLIENT_ID` tells more, `clients --help` what else can be done.

dcr-gateway clients list --config {directory}/{CONFIGURATION}
dcr-gateway clients elevate CLIENT_ID --config {directory}/{CONFIGURATION}
"#
        )
    }
}

/// The port itself, or any that is free for 0.
async fn free_port(wanted: u16) -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).await?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_told_before_anything_is_written() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let directory = tempfile::tempdir().unwrap();
        let prepared = Demo::prepare(&Options { directory: directory.path().to_owned(), port }).await;
        let sentence = prepared.err().unwrap().to_string();
        assert!(sentence.contains(&port.to_string()) && sentence.contains("--port"), "{sentence}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_told_names_every_command_and_is_json_for_programs() {
        let prepared =
            Prepared { url: "https://localhost:1".to_owned(), directory: "d".into(), token: Secret::new("secret") };
        for command in
            ["curl", "clients list --config d/gateway.yaml", "clients elevate CLIENT_ID --config d/gateway.yaml"]
        {
            assert!(prepared.text().contains(command), "{command}");
        }
        assert_eq!(prepared.json()["configuration"], "d/gateway.yaml");
        assert_eq!(prepared.json()["initial_access_token"], "secret");
    }

    #[tokio::test]
    async fn a_demo_that_runs_keeps_its_files() {
        let directory = tempfile::tempdir().unwrap();
        let _running = std::os::unix::net::UnixListener::bind(directory.path().join(ADMIN_SOCKET)).unwrap();
        let prepared = Demo::prepare(&Options { directory: directory.path().to_owned(), port: 0 }).await;
        let sentence = prepared.err().unwrap().to_string();
        assert!(sentence.contains("--directory"), "{sentence}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
