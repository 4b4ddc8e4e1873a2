//! The proxy over real sockets: what a client sees, and what the authorization server behind it sees.

mod backend;
mod certificates;
mod clients;
mod deadlines;
mod draining;
mod early_answers;
mod forwarded_certificates;
mod forwarding;
mod framing;
mod gateway;
mod mutual_tls;
mod own_paths;
mod raw;
mod upstream_calls;
mod versions;
