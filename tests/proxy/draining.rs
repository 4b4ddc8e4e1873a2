//! Going down loses no request.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use dcr_gateway::authorization_server::client_endpoints::ClientEndpoint;
use dcr_gateway::authorization_server::paths::DiscoveryForm;
use dcr_gateway::intake::handler::{Answer, Handler, Head, ProtocolRefusal, Request, UnverifiedClients};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::backend::mirror;
use crate::certificates::Authority;
use crate::gateway::{Gateway, REGISTER, client, plain_listener, settings};
use crate::raw::{closes_silently, read_answer};

/// Answers a registration when it is told to.
#[derive(Default)]
struct Waiting {
    arrived: Notify,
    go_on: Notify,
}

#[async_trait]
impl Handler for Waiting {
    async fn register(&self, _request: Request<'_>) -> Answer {
        self.arrived.notify_one();
        self.go_on.notified().await;
        Answer::empty(http::StatusCode::CREATED)
    }

    async fn manage(&self, _request: Request<'_>, _client_id: &str) -> Answer {
        Answer::empty(http::StatusCode::OK)
    }

    async fn discover(&self, _request: Request<'_>, _form: DiscoveryForm) -> Answer {
        Answer::empty(http::StatusCode::OK)
    }

    async fn discover_elsewhere(&self, _: &Head) -> Option<Answer> {
        None
    }

    async fn judge_clients(&self, _: &Head, _: &UnverifiedClients, _: ClientEndpoint) -> Option<Answer> {
        None
    }

    fn token_answered(&self, _: &Head, _: &UnverifiedClients, _: http::StatusCode) {}

    fn admits(&self, _: IpAddr) -> bool {
        true
    }

    fn judge_address(&self, _: &Head) -> Option<Answer> {
        None
    }

    fn refuse(&self, _head: &Head, refusal: ProtocolRefusal) -> Answer {
        Answer::empty(refusal.status())
    }
}

#[tokio::test]
async fn a_request_in_flight_is_answered_and_its_connection_closed() {
    let handler = Arc::new(Waiting::default());
    let gateway = Gateway::start_with(settings(plain_listener(), mirror().await), handler.clone());
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let request = format!("GET {REGISTER} HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    handler.arrived.notified().await;
    gateway.begin_shutdown();
    handler.go_on.notify_one();
    let answer = read_answer(&mut stream).await;
    assert_eq!(answer.status, 201);
    assert!(answer.head.to_ascii_lowercase().contains("connection: close"), "{}", answer.head);
    assert!(closes_silently(&mut stream).await);
    gateway.stopped().await;
}

#[tokio::test]
async fn idle_connections_are_closed_and_the_port_is_free_at_the_end() {
    let gateway = Gateway::plain(mirror().await);
    let address = gateway.address;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 200);
    gateway.begin_shutdown();
    assert!(closes_silently(&mut stream).await);
    gateway.stopped().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_at_the_deadline() {
    let handler = Arc::new(Waiting::default());
    let mut short = settings(plain_listener(), mirror().await);
    short.drain = std::time::Duration::from_millis(300);
    let gateway = Gateway::start_with(short, handler.clone());
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(format!("GET {REGISTER} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
    handler.arrived.notified().await;
    gateway.begin_shutdown();
    gateway.stopped().await;
    assert!(closes_silently(&mut stream).await);
}

#[tokio::test]
async fn an_http_2_request_in_flight_is_answered() {
    let handler = Arc::new(Waiting::default());
    let authority = Authority::new("Server CA");
    let files = authority.server_files();
    let gateway = Gateway::start_with(settings(files.tls_listener(), mirror().await), handler.clone());
    let stream = authority.connect(gateway.address, None, &[b"h2"]).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get(format!("https://localhost{REGISTER}")).body(()).unwrap();
    let (answer, _) = requests.ready().await.unwrap().send_request(request, true).unwrap();
    handler.arrived.notified().await;
    gateway.begin_shutdown();
    handler.go_on.notify_one();
    assert_eq!(answer.await.unwrap().status(), 201);
    gateway.stopped().await;
    let _ = connection.await;
}

/// Clients ask on and on over kept connections; once one is refused a new connection, it stops. Nobody may lose a request that was let in.
#[tokio::test]
async fn no_request_is_lost_under_load() {
    let gateway = Gateway::plain(mirror().await);
    let stopping = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (url, stopping, answered) = (gateway.url(REGISTER), stopping.clone(), answered.clone());
        workers.spawn(async move {
            let client = client();
            loop {
                match client.get(&url).send().await {
                    Ok(answer) => {
                        assert_eq!(answer.status(), 201);
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(error) => {
                        assert!(stopping.load(Ordering::SeqCst) && error.is_connect(), "lost a request: {error:?}");
                        return;
                    }
                }
            }
        });
    }
    while answered.load(Ordering::SeqCst) < 200 {
        tokio::task::yield_now().await;
    }
    stopping.store(true, Ordering::SeqCst);
    gateway.begin_shutdown();
    while let Some(outcome) = workers.join_next().await {
        outcome.unwrap();
    }
    gateway.stopped().await;
}
