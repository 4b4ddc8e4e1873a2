//! The executable before a small authorization server, over real sockets: what a client gets, what the server gets, what an operator sees.

mod audit;
mod client;
mod corpus;
mod dashboards;
mod detectors;
mod disk;
mod failures;
mod flow;
mod judged;
mod keycloak;
mod killed;
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
mod upstream;
mod verdicts;
