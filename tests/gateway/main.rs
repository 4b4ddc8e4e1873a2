//! The executable before a small authorization server, over real sockets: what a client gets, what the server gets, what an operator sees.

mod alerts;
mod audit;
mod client;
mod configuration;
mod corpus;
mod dashboards;
mod detectors;
mod disk;
mod failures;
mod flow;
#[path = "../servers/hook.rs"]
mod hook;
mod judged;
mod keycloak;
mod keys;
mod killed;
#[path = "../servers/mail.rs"]
mod mail;
mod managed;
mod management;
#[path = "../store/postgres_server.rs"]
mod postgres_server;
mod process;
mod record;
#[path = "../servers/redis.rs"]
mod redis_server;
mod replicas;
mod reporting;
mod responses;
mod secure;
#[allow(dead_code, reason = "the telemetry tests use all of it")]
#[path = "../telemetry/sink.rs"]
mod sink;
mod staged;
mod traces;
mod upstream;
mod verdicts;
