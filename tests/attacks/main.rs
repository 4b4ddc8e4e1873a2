//! What attackers do to the executable, over real sockets. Each attack is held against the same three things: a client that does nothing wrong
//! registers while it goes on, the gateway's memory stays within a bound that is written beside it (the kernel's `VmHWM`, over what it was
//! before), and it is over when the attacker is gone. Bounds are for the unoptimised executable, and leave room for a machine that does
//! other things: nothing here depends on how fast it is.

mod bodies;
#[path = "../proxy/certificates.rs"]
#[allow(dead_code, reason = "the proxy's tests use all of it")]
mod certificates;
#[path = "../gateway/client.rs"]
#[allow(dead_code, reason = "the black-box tests use all of it")]
mod client;
mod clock;
#[path = "../gateway/configuration.rs"]
mod configuration;
mod connections;
mod descriptors;
mod frames;
mod framing;
mod http2;
mod measured;
#[path = "../gateway/process.rs"]
#[allow(dead_code, reason = "the black-box tests use all of it")]
mod process;
mod refusals;
mod slow;
#[path = "../gateway/upstream.rs"]
#[allow(dead_code, reason = "the black-box tests use all of it")]
mod upstream;
mod world;
