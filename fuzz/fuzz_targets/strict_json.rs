//! Bodies.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    dcr_gateway_fuzz::held::strict_json::holds(input);
});
