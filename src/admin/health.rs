//! What the parts of the gateway say about themselves, for `/readyz`.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

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
    broken: AtomicBool,
}

impl Default for Health {
    fn default() -> Self {
        let (phase, reload) = (AtomicU8::new(Phase::Starting as u8), AtomicU8::new(Reload::None as u8));
        Self { phase, reload, broken: AtomicBool::new(false) }
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

    /// Something that runs beside the requests broke off.
    pub fn broke_off(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Whether everything runs that runs beside the requests.
    pub fn is_whole(&self) -> bool {
        !self.broken.load(Ordering::Acquire)
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
