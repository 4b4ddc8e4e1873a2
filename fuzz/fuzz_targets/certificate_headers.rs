//! Certificates in headers, and certificates.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    dcr_gateway_fuzz::held::certificate_headers::holds(input);
});
