//! Redirect URIs and URLs.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    dcr_gateway_fuzz::held::redirect_uri::holds(input);
});
