//! An authorization server that can go down and come up again at the same address, be slow, or stop in the middle of an answer.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::upstream::{Received, discovery, http, read_request};

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// After this long.
    Slow(Duration),
    /// The first half of it; the connection stays.
    Half,
    /// Nothing; the connection stays.
    Silent,
}

/// The server.
pub struct Server {
    pub address: SocketAddr,
    /// Bound and never listened on: the port stays ours while nobody listens there.
    _keeper: TcpSocket,
    state: Arc<State>,
    serving: Option<JoinHandle<()>>,
}

struct State {
    mood: Mutex<Mood>,
    /// Every client that was made, whether or not anybody heard of it.
    clients: Mutex<HashSet<String>>,
}

impl Server {
    /// One that is up.
    pub fn start() -> Self {
        let keeper = socket(SocketAddr::from(([127, 0, 0, 1], 0)));
        let address = keeper.local_addr().unwrap();
        let state = Arc::new(State { mood: Mutex::new(Mood::Well), clients: Mutex::default() });
        let mut server = Self { address, _keeper: keeper, state, serving: None };
        server.up();
        server
    }

    /// Listens again.
    pub fn up(&mut self) {
        let listener = socket(self.address).listen(1024).unwrap();
        self.serving = Some(tokio::spawn(serve(listener, self.state.clone())));
    }

    /// Whoever connects is refused, and all connections are closed, from when this returns.
    pub async fn down(&mut self) {
        let serving = self.serving.take().unwrap();
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
    }

    pub fn set(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    pub fn clients(&self) -> HashSet<String> {
        self.state.clients.lock().unwrap().clone()
    }
}

fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    // Aborted with the task that holds it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                connections.spawn(talk(stream, state.clone()));
            }
            Some(ended) = connections.join_next() => ended.unwrap(),
        }
    }
}

async fn talk(mut stream: TcpStream, state: Arc<State>) {
    let mut bytes = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut bytes).await {
        let mood = *state.mood.lock().unwrap();
        let (mut answer, is_discovery) = (state.answer(&request), request.target().contains("/.well-known/"));
        match mood {
            _ if is_discovery => {}
            Mood::Well => {}
            Mood::Slow(pause) => tokio::time::sleep(pause).await,
            Mood::Half => answer.truncate(answer.len() / 2),
            Mood::Silent => answer.clear(),
        }
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

impl State {
    fn answer(&self, request: &Received) -> Vec<u8> {
        if request.target().contains("/.well-known/") {
            return discovery();
        }
        if request.method() != "POST" {
            return http("200 OK", "text/plain", "forwarded");
        }
        let mut members: Map<String, Value> = serde_json::from_slice(&request.body).unwrap();
        let mut clients = self.clients.lock().unwrap();
        let client_id = format!("client-{}", clients.len());
        members.insert("client_id".to_owned(), client_id.clone().into());
        members.insert("client_secret".to_owned(), "a-secret-for-the-client".into());
        clients.insert(client_id);
        http("201 Created", "application/json", Value::Object(members).to_string())
    }
}
