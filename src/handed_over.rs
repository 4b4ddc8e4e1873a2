//! Listening sockets that were open before the process: whoever started it (a socket unit of systemd) hands them over as `sd_listen_fds(3)` says.
//! They outlive the process, so nobody is refused while it is replaced, and two gateways may accept from one (docs/decisions/0017).

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;

use listenfd::ListenFd;
use nix::sys::socket::{getsockopt, sockopt};

/// What was handed over and is not taken yet.
#[derive(Debug, Default)]
pub struct Sockets {
    network: Vec<TcpListener>,
    local: Vec<UnixListener>,
}

/// Something was handed over that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("socket {number} of those handed over (LISTEN_FDS) cannot be used: {reason}")]
pub struct NotListening {
    /// Which one, counted from 0.
    number: usize,
    /// What is wrong with it.
    reason: String,
}

impl Sockets {
    /// Those that the environment tells of; none without `LISTEN_FDS`, or when it means another process. Forgets the variables: to be called
    /// once, before there is a second thread.
    ///
    /// # Errors
    /// One of them is no TCP or Unix stream socket, or is not listened on.
    pub fn from_environment() -> Result<Self, NotListening> {
        let mut told = ListenFd::from_env();
        let mut sockets = Self::default();
        for number in 0..told.len() {
            let taken = sockets.take_over(&mut told, number);
            taken.map_err(|error| NotListening { number, reason: error.to_string() })?;
        }
        Ok(sockets)
    }

    fn take_over(&mut self, told: &mut ListenFd, number: usize) -> io::Result<()> {
        if let Ok(Some(socket)) = told.take_tcp_listener(number) {
            is_listening(getsockopt(&socket, sockopt::AcceptConn))?;
            socket.set_nonblocking(true)?;
            self.network.push(socket);
        } else if let Some(socket) = told.take_unix_listener(number)? {
            is_listening(getsockopt(&socket, sockopt::AcceptConn))?;
            socket.set_nonblocking(true)?;
            self.local.push(socket);
        }
        Ok(())
    }

    /// The one that listens on this address.
    pub fn take_network(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let is_it = |socket: &TcpListener| socket.local_addr().is_ok_and(|local| is_same(local, address));
        let found = self.network.iter().position(is_it)?;
        Some(self.network.swap_remove(found))
    }

    /// The one that listens on this path.
    pub fn take_local(&mut self, path: &Path) -> Option<UnixListener> {
        let path = std::path::absolute(path).ok()?;
        let is_it = |socket: &UnixListener| socket.local_addr().is_ok_and(|local| local.as_pathname() == Some(&path));
        let found = self.local.iter().position(is_it)?;
        Some(self.local.swap_remove(found))
    }

    /// Where those listen that nobody will take: neither one of these addresses nor this path. Whoever connected there would wait for ever.
    pub fn unexpected(&self, addresses: &[SocketAddr], path: Option<&Path>) -> Vec<String> {
        let network = self.network.iter().filter_map(|socket| {
            let local = socket.local_addr().ok()?;
            (!addresses.iter().any(|address| is_same(local, *address))).then(|| local.to_string())
        });
        let path = path.and_then(|path| std::path::absolute(path).ok());
        let local = self.local.iter().filter_map(|socket| {
            let local = socket.local_addr().ok()?;
            let found = local.as_pathname();
            (found.is_none() || found != path.as_deref())
                .then(|| found.map_or_else(|| "a Unix socket without a path".to_owned(), |at| at.display().to_string()))
        });
        network.chain(local).collect()
    }
}

fn is_listening(accepts: nix::Result<bool>) -> io::Result<()> {
    if accepts? {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is a connection, not a listening socket (Accept=no in the socket unit)",
    ))
}

/// Whether both name one place. The scope of an address is the system's, and stands in no configuration.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    (one.ip(), one.port()) == (other.ip(), other.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_by_what_it_listens_on_and_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        let network = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = network.local_addr().unwrap();
        let mut sockets = Sockets { network: vec![network], local: vec![UnixListener::bind(&path).unwrap()] };
        let elsewhere = SocketAddr::from(([127, 0, 0, 2], address.port()));
        assert!(sockets.take_network(elsewhere).is_none() && sockets.take_local(directory.path()).is_none());
        assert_eq!(sockets.unexpected(&[address], Some(&path)), [""; 0]);
        assert_eq!(sockets.unexpected(&[elsewhere], None), [address.to_string(), path.display().to_string()]);
        assert!(sockets.take_network(address).is_some() && sockets.take_network(address).is_none());
        assert!(sockets.take_local(&path).is_some() && sockets.take_local(&path).is_none());
    }
}
