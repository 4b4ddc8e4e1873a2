//! How many descriptors the process may have, and what that allows the listeners.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::proxy::settings::ListenerSettings;

/// Raises the limit of this process as far as it may go, and cuts `max_connections` down to half of it where it is still above: a connection may
/// need another one to the authorization server, and the gateway has files of its own. Whoever takes all connections then takes nothing that
/// serving one of them needs.
pub(super) fn fitting(listeners: Vec<ListenerSettings>) -> Vec<ListenerSettings> {
    match raised() {
        Some(descriptors) => fitting_in(descriptors, listeners),
        None => listeners,
    }
}

/// The soft limit, now as high as the hard one.
fn raised() -> Option<usize> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_or(soft, |()| hard);
    usize::try_from(raised).ok()
}

fn fitting_in(descriptors: usize, mut listeners: Vec<ListenerSettings>) -> Vec<ListenerSettings> {
    let most = (descriptors / 2 / listeners.len().max(1)).max(1);
    for listener in listeners.iter_mut().filter(|listener| listener.max_connections > most) {
        tracing::warn!(
            address = %listener.address,
            descriptors,
            "of max_connections: {} only {most} are accepted, the process may have too few descriptors: raise LimitNOFILE (systemd) or ulimit -n",
            listener.max_connections
        );
        listener.max_connections = most;
    }
    listeners
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(max_connections: usize) -> ListenerSettings {
        serde_json::from_value(serde_json::json!({ "address": "127.0.0.1:0", "max_connections": max_connections }))
            .unwrap()
    }

    #[test]
    fn connections_leave_half_of_the_descriptors() {
        let most = |descriptors, listeners: &[usize]| -> Vec<usize> {
            let listeners = listeners.iter().copied().map(listener).collect();
            fitting_in(descriptors, listeners).iter().map(|listener| listener.max_connections).collect()
        };
        assert_eq!(most(65_536, &[4096, 4096]), [4096, 4096]);
        assert_eq!(most(1024, &[4096]), [512]);
        assert_eq!(most(1024, &[4096, 100]), [256, 100]);
        assert_eq!(most(1, &[4096]), [1]);
        assert!(most(1024, &[]).is_empty());
    }
}
