//! The admin API over real sockets, and the command line before a running gateway.

mod api;
mod approval;
mod clients;
mod command_line;
mod console;
mod document;
mod elevation;
mod findings;
mod hung_up;
mod import;
mod keycloak;
mod looked_for;
mod network;
mod out_of_use;
#[path = "../gateway/process.rs"]
#[allow(dead_code, reason = "the black-box tests use all of it")]
mod process;
mod realm;
mod records;
mod responses;
mod sealed;
mod sign_ins;
mod undone;
mod unrecorded;
mod world;
