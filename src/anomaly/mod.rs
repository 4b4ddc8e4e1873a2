//! Who behaves otherwise than usual: observations in, findings out. The detectors are pure over the stream and bounded in memory;
//! the time is in what they are told, and `watch` is the way to them. They remember nothing across a restart, and say nothing before they have learned what is usual.

mod calendar;
pub mod detector;
mod detectors;
mod distinct;
pub mod finding;
mod habit;
mod network;
pub mod observation;
pub mod record;
pub mod response;
pub mod settings;
mod sources;
mod surprise;
pub mod watch;

pub use detector::Detectors;
pub(crate) use detectors::lookalike_names::is_compared as lookalike_name_is_compared;
pub use finding::{Band, DetectorName, Finding, Score, Subject};
pub use observation::{Involved, Observation, Seen};
pub use response::Responder;
pub use settings::{AnomalySettings, Mode};
pub use sources::hash_of;
pub use watch::{Watch, Watcher};
