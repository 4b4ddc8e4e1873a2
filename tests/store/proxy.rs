//! The network between a store and its server, in the test's hand.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// It carries.
    Works,
    /// Every connection breaks.
    Breaks,
    /// Nothing arrives any more, and nobody says so; what is connected now is lost for ever.
    Swallows,
}

/// Listens on a port of loopback and passes everything on to a Unix socket.
pub struct Proxy {
    pub port: u16,
    network: Arc<watch::Sender<Network>>,
    listening: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub async fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let network = Arc::new(watch::Sender::new(Network::Works));
        let state = network.clone();
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, socket.clone(), state.subscribe()));
            }
        });
        Self { port, network, listening }
    }

    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn carry(mut client: TcpStream, socket: PathBuf, mut network: watch::Receiver<Network>) {
    if *network.borrow() == Network::Works {
        let mut server = UnixStream::connect(socket).await.unwrap();
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => return,
            _ = network.wait_for(|network| *network != Network::Works) => {}
        }
        // The server hears of it, the client does not.
        drop(server);
    }
    if *network.borrow() == Network::Swallows {
        std::future::pending::<()>().await;
    }
}
