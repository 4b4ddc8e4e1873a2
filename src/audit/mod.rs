//! What happened, on a record that proves itself: a closed list of events, chained by hashes for each process that writes, heads
//! signed at an interval, exported while they are written. Never a secret: events are made of names, reasons and digests.

pub mod chain;
pub mod event;
pub mod export;
pub mod journal;
mod kind;
pub mod line;
pub mod ocsf;
pub mod recorder;
pub mod settings;
pub mod verify;

pub use chain::{PublicKeys, Purpose, SigningKeys};
pub use event::{Actor, Event, Kind, Subject};
pub use recorder::{Audience, Keeper, Nobody, Recorder};
pub use settings::AuditSettings;
