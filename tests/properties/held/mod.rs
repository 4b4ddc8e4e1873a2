//! What must hold for every input, as functions from the input's bytes that panic where it does not. The tests beside this folder call
//! them with made-up inputs, `fuzz/` calls the same ones with what a coverage-guided fuzzer finds: nothing is written twice.
//! Each tells whether the input was accepted, for tests of the inputs.

pub mod certificate_headers;
pub mod configuration;
pub mod decision;
pub mod json_readers;
pub mod paths;
pub mod redirect_uri;
pub mod request;
pub mod strict_json;
pub mod web_token;

/// The first byte, which chooses among several worlds, and the rest.
fn choice(input: &[u8]) -> Option<(u8, &[u8])> {
    input.split_first().map(|(first, rest)| (*first, rest))
}

/// What stands before the first zero byte, and what stands after it.
fn halves(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == 0) {
        Some(zero) => (&input[..zero], &input[zero + 1..]),
        None => (input, &[]),
    }
}
