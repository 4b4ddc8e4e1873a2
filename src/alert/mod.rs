//! Who is told of what happens: out of audit events, findings and the gateway's own health come notices, for each receiver that wants
//! them; they wait in the store until the receiver has them. Nothing here decides anything about a client.

mod alertmanager;
mod backlog;
mod backoff;
mod delivery;
mod failure;
mod given_up;
mod health;
mod message;
mod notice;
mod receiver;
mod receiver_url;
mod routing;
pub mod settings;
pub mod signature;
pub mod silence;
mod slack;
mod smtp;
mod text;
mod told;
mod webhook;

pub use delivery::Deliverer;
pub use failure::Failure;
pub use health::Condition;
pub use message::Reach;
pub use notice::{About, Ended, Notice, Severity, Status, Topic};
pub use receiver::{Receiver, Secrets};
pub use routing::{Alerts, Links, Routing};
pub use text::plain;
pub use told::News;
