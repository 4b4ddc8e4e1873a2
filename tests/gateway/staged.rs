//! An authorization server that keeps its clients (RFC 7591, RFC 7592), and stops at a stage of a request until it is let go on:
//! what a gateway is killed at.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::upstream::{Received, discovery, http, read_request};

/// Where it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nowhere.
    Nowhere,
    /// The request has arrived, and nobody has read it.
    BeforeReading,
    /// It was read.
    BeforeWork,
    /// The client is registered or changed.
    BeforeAnswering,
    /// All of the answer but one byte is sent.
    BeforeTheLastByte,
    /// The client is registered or changed, and the server dies.
    Dies,
}

/// What becomes of a client's registration access token when the client is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    Rotate,
    Stay,
}

#[derive(Debug, Clone)]
pub struct Client {
    pub members: Map<String, Value>,
    token: String,
}

#[derive(Clone)]
pub struct Staged {
    pub address: SocketAddr,
    tokens: Tokens,
    clients: Arc<Mutex<BTreeMap<String, Client>>>,
    stage: Arc<watch::Sender<Stage>>,
    /// How many requests are there, and how many of them have stopped.
    busy: Arc<watch::Sender<(usize, usize)>>,
}

impl Staged {
    pub async fn start(tokens: Tokens) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            tokens,
            clients: Arc::default(),
            stage: Arc::new(watch::Sender::new(Stage::Nowhere)),
            busy: Arc::new(watch::Sender::new((0, 0))),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        server
    }

    /// From now on it stops there.
    pub fn stop_at(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// Returns once so many requests have stopped.
    pub async fn until_stopped(&self, count: usize) {
        self.busy.subscribe().wait_for(|(_, stopped)| *stopped >= count).await.unwrap();
    }

    /// Lets all go on, and returns when all are done: the server does not know that nobody waits for it any more.
    pub async fn finish(&self) {
        self.stage.send_replace(Stage::Nowhere);
        self.busy.subscribe().wait_for(|(there, _)| *there == 0).await.unwrap();
    }

    /// Its clients, by their ids.
    pub fn clients(&self) -> BTreeMap<String, Client> {
        self.clients.lock().unwrap().clone()
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        loop {
            let mut first = [0; 5];
            match stream.peek(&mut first).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            // A request for metadata is nothing that is counted.
            if first.starts_with(b"GET /") {
                let Some(request) = read_request(&mut stream, &mut bytes).await else { return };
                let answer = if request.target().contains("/.well-known/") { discovery() } else { self.work(&request) };
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
                continue;
            }
            self.busy.send_modify(|(there, _)| *there += 1);
            let goes_on = self.take_through(&mut stream, &mut bytes).await.is_some();
            self.busy.send_modify(|(there, _)| *there -= 1);
            if !goes_on {
                return;
            }
        }
    }

    async fn take_through(&self, stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
        self.pass(Stage::BeforeReading).await;
        let request = read_request(stream, bytes).await?;
        self.pass(Stage::BeforeWork).await;
        let answer = self.work(&request);
        if *self.stage.borrow() == Stage::Dies {
            return None;
        }
        self.pass(Stage::BeforeAnswering).await;
        let (most, last) = answer.split_at(answer.len() - 1);
        stream.write_all(most).await.ok()?;
        self.pass(Stage::BeforeTheLastByte).await;
        stream.write_all(last).await.ok()
    }

    async fn pass(&self, stage: Stage) {
        if *self.stage.borrow() != stage {
            return;
        }
        self.busy.send_modify(|(_, stopped)| *stopped += 1);
        self.stage.subscribe().wait_for(|now| *now != stage).await.unwrap();
        self.busy.send_modify(|(_, stopped)| *stopped -= 1);
    }

    fn work(&self, request: &Received) -> Vec<u8> {
        let mut clients = self.clients.lock().unwrap();
        if request.method() == "POST" {
            let client_id = format!("client-{}", clients.len() + 1);
            let client = Client { members: request.json(), token: format!("{client_id}.1") };
            let answer = shown(&client_id, &client);
            clients.insert(client_id, client);
            return http("201 Created", "application/json", answer);
        }
        let client_id = request.target().rsplit('/').next().unwrap_or_default();
        let presents = |client: &Client| request.head.contains(&format!("Bearer {}\r\n", client.token));
        let Some(client) = clients.get_mut(client_id).filter(|client| presents(client)) else {
            return http("401 Unauthorized", "application/json", r#"{"error":"invalid_token"}"#);
        };
        if request.method() == "DELETE" {
            clients.remove(client_id);
            return http("204 No Content", "application/json", "");
        }
        if request.method() == "PUT" {
            client.members = request.json();
            if self.tokens == Tokens::Rotate {
                client.token.push('1');
            }
        }
        http("200 OK", "application/json", shown(client_id, client))
    }
}

fn shown(client_id: &str, client: &Client) -> String {
    let mut members = client.members.clone();
    members.insert("client_id".to_owned(), json!(client_id));
    members.insert("client_secret".to_owned(), json!(format!("secret-of-{client_id}")));
    members.insert("registration_access_token".to_owned(), json!(client.token));
    let uri = format!("https://sso.example.com/register/{client_id}");
    members.insert("registration_client_uri".to_owned(), json!(uri));
    Value::Object(members).to_string()
}
