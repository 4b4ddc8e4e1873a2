//! The properties of `tests/properties`, and its inputs as seeds: compiled once for all targets, written once for both.

#[path = "../../tests/properties/held/mod.rs"]
pub mod held;
#[path = "../../tests/properties/inputs.rs"]
pub mod inputs;
