//! What the parts of the gateway say about themselves, for `/readyz`.

use std::sync::atomic::{AtomicU8, Ordering};

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The listeners are not up yet.
    Starting,
    /// Requests are taken.
    Serving,
    /// No new connections are taken; requests in flight finish.
    Draining,
}

/// What became of the last reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// There was none.
    None,
    /// The new configuration is in force.
    Applied,
    /// It had problems; the old one stays in force.
    Refused,
}

/// Set by the server, read by `/readyz`.
#[derive(Debug)]
pub struct Health {
    phase: AtomicU8,
    reload: AtomicU8,
}

impl Default for Health {
    fn default() -> Self {
        Self { phase: AtomicU8::new(Phase::Starting as u8), reload: AtomicU8::new(Reload::None as u8) }
    }
}

impl Health {
    /// The process went on to another phase.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// A reload ended.
    pub fn reloaded(&self, reload: Reload) {
        self.reload.store(reload as u8, Ordering::Release);
    }

    /// Where the process is.
    pub fn phase(&self) -> Phase {
        let phases = [Phase::Starting, Phase::Serving, Phase::Draining];
        phases[usize::from(self.phase.load(Ordering::Acquire))]
    }

    /// What became of the last reload.
    pub fn last_reload(&self) -> Reload {
        let reloads = [Reload::None, Reload::Applied, Reload::Refused];
        reloads[usize::from(self.reload.load(Ordering::Acquire))]
    }
}
