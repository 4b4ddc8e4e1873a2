//! A profile, a kind of server and a body: what is sent is what was judged.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    dcr_gateway_fuzz::held::decision::holds(input);
});
