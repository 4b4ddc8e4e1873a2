//! A whole request, through the registration function to a server and back.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    dcr_gateway_fuzz::held::request::holds(input);
});
