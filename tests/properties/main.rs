//! Properties over made-up inputs: near the valid ones, then mutated. What they hold is in `held`, which `fuzz/` runs under a fuzzer too
//! (docs/fuzzing.md). Bounded: all of it takes seconds.

mod held;
mod inputs;
mod other_languages;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use held::{certificate_headers, configuration, decision, paths, redirect_uri, request, strict_json, web_token};

/// So many inputs of each kind, and `PROPERTIES_TIMES` as many where somebody has the time.
fn cases(cases: u32) -> ProptestConfig {
    let times = std::env::var("PROPERTIES_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    // Nothing is written beside the sources: what is found becomes a test of its own.
    ProptestConfig { cases: cases.saturating_mul(times), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn strict_json_means_the_same_to_every_parser(body in inputs::json_text()) {
        strict_json::holds(&body);
    }

    #[test]
    fn a_redirect_uri_leads_where_every_reader_thinks(text in inputs::uri()) {
        redirect_uri::holds(text.as_bytes());
    }

    #[test]
    fn a_token_is_verified_only_if_it_was_signed(input in inputs::web_token()) {
        web_token::holds(&input);
    }

    #[test]
    fn a_certificate_header_yields_one_certificate_or_none(input in inputs::certificate_headers()) {
        certificate_headers::holds(&input);
    }

    #[test]
    fn what_is_forwarded_is_no_spelling_of_the_registration_path(input in inputs::path()) {
        paths::holds(&input);
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn what_is_sent_is_what_was_judged(input in inputs::registration()) {
        decision::holds(&input);
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_request_is_sent_once_as_it_was_judged_or_refused_in_words(input in inputs::request()) {
        request::holds(&input);
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn a_configuration_loads_or_every_problem_is_told(text in inputs::configuration()) {
        configuration::holds(&text);
    }
}

/// The generators are worth something only as long as much of what they make is accepted.
#[test]
fn the_inputs_are_near_enough_to_what_is_accepted() {
    let mut runner = TestRunner::deterministic();
    let mut share = |what: &str, strategy: BoxedStrategy<Vec<u8>>, is_accepted: &dyn Fn(&[u8]) -> bool| {
        let accepted = (0..400).filter(|_| is_accepted(&strategy.new_tree(&mut runner).unwrap().current())).count();
        assert!((40..=380).contains(&accepted), "of 400 {what} {accepted} are accepted");
    };
    share("bodies", inputs::json_text().boxed(), &strict_json::holds);
    share("URIs", inputs::uri().prop_map(String::into_bytes).boxed(), &redirect_uri::holds);
    share("registrations", inputs::registration().boxed(), &decision::holds);
    share("requests", inputs::request().boxed(), &request::holds);
    share("tokens", inputs::web_token().boxed(), &web_token::holds);
    share("headers", inputs::certificate_headers().boxed(), &certificate_headers::holds);
    share("paths", inputs::path().boxed(), &paths::holds);
}

/// Every client that was seen in the field, and what one byte of its request does.
#[test]
fn the_requests_of_real_clients_hold_too() {
    for body in inputs::real_clients() {
        strict_json::holds(body.as_bytes());
        for world in 0..u8::try_from(decision::worlds().len()).unwrap() {
            decision::holds(&[&[world], body.as_bytes()].concat());
            request::holds(&[&[world, 2], "application/json\0".as_bytes(), body.as_bytes()].concat());
        }
    }
}

/// The corpus that the executable is judged by.
#[test]
fn the_hostile_corpus_holds_too() {
    for uri in inputs::hostile_uris() {
        redirect_uri::holds(uri.as_bytes());
        for world in 0..u8::try_from(decision::worlds().len()).unwrap() {
            decision::holds(&[&[world], inputs::asking_for(&uri).as_bytes()].concat());
        }
    }
    for body in inputs::hostile_bodies() {
        strict_json::holds(body.as_bytes());
        request::holds(&[b"\x00\x02application/json\0", body.as_bytes()].concat());
    }
}

/// What was found, by these tests or by the fuzzers, each with what it was.
#[test]
fn what_was_found_stays_mended() {
    // A certificate whose subject, behind a client's quotation mark that does not end, was read as an element of XFCC: somebody else's certificate.
    let foreign = certificate_headers::escaped_pem(&[0x30, 0x01, 0x07]);
    certificate_headers::holds(&[b"\x03a=\"\0", format!("x,Cert={foreign};y=\"").as_bytes()].concat());
    // A number that JavaScript rounds was sent on.
    decision::holds(&[b"\0", inputs::with_max_age("9007199254740993").as_bytes()].concat());
    // Forwarded, and the registration endpoint to a server that cuts parameters off before it decodes; the token endpoint likewise.
    for path in ["/register;%252f..", "/token;%252f..", "/register/..%3bx", "/register/..%20/x"] {
        for reading in [[0, 0], [0, 4]] {
            paths::holds(&[&[1], &reading[..], path.as_bytes()].concat());
        }
    }
    // Forwarded, because `%+A` was decoded to a line feed, which was trimmed off `..`; no server decodes it.
    paths::holds(b"\x014//register/%252525+A..");
    paths::holds(b"\x01\x8aq/token/::$");
    paths::holds(b"%\xcbc/token/*");
    paths::holds(b"\0*k/realms/acme/protocol/openid-connect/token/...");
    // Accepted, because in `%25%32%65` no digits stand behind the encoded percent sign until they are decoded, too.
    redirect_uri::holds(b"https://app.example.com/cb/%25%32%65%25%32%65/%25%32%65%25%32%65%25%32%66evil");
    // Behind a key that is no text a problem was told without its line.
    configuration::holds(b"? {a: b}\n: 1\nthrottle: { backend: redis }\n");
    // The same behind a tag.
    configuration::holds(b"!t\nlisteners: [{ address: x }]\n");
    // Where the property asked for too much: spaces at the ends of a name are taken off, parsers differ in the last bits of a fraction,
    // a carriage return is the end of a line to YAML.
    decision::holds(
        &[b"\0", inputs::asking_for("https://app.example.com/cb").replace("Orders", " Orders ").as_bytes()].concat(),
    );
    strict_json::holds(br#"{"a":[560125.0000000000547894072,12476538572333856.10e-0247]}"#);
    configuration::holds(b"{a: b,\r\r\r\r c");
}
