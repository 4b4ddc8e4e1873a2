//! JSON Web Tokens, their claims, and sets of keys.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    dcr_gateway_fuzz::held::web_token::holds(input);
});
