//! A gateway in front of an authorization server's dynamic client registration (RFC 7591, RFC 7592). The modules form layers, and nothing points upward
//! (`tests/architecture/layers.rs` holds the list): `registration`, `jose` and `policy` are pure; `fetch`, `registrant`, `throttle`, `store` and
//! `authorization_server` are what a decision needs, `audit`, `anomaly` and `alert` its record, what is unusual about it and who is told; `intake` takes one
//! registration through all of them; `proxy` and `admin` are the network, also on sockets that are `handed_over`; `server`, `cli` and `demo` put it together.
#![deny(missing_docs)]

pub mod admin;
pub mod alert;
pub mod anomaly;
pub mod audit;
pub mod authorization_server;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod duration;
pub mod fetch;
pub mod handed_over;
mod hexadecimal;
pub mod intake;
pub mod jose;
pub mod key_file;
pub mod lifecycle;
mod parameter_name;
mod pem;
mod percent;
pub mod policy;
pub mod proxy;
pub mod randomness;
pub mod registrant;
pub mod registration;
pub mod sealing;
pub mod secret;
pub mod server;
pub mod setting_problem;
pub mod store;
mod subscriber;
pub mod telemetry;
mod text_form;
pub mod throttle;
