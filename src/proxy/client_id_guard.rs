//! Finds a `client_id` that is a URL (client ID metadata document) in a query, a form body, or as HTTP Basic user.
//! Pure; a form is scanned as it streams by, with constant memory, and never changed.

use base64::{DecodeError, Engine as _};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use memchr::memchr2;

use super::form::{FormDecoder, FormPart};
use super::parameters::is_named;
use crate::authorization_server::document_client::{begins_a_url, is_left_out};

/// Watches the name-value pairs of `application/x-www-form-urlencoded` text go by.
#[derive(Debug, Clone, Default)]
pub(super) struct FormScanner {
    decoder: FormDecoder,
    watch: Watch,
}

#[derive(Debug, Clone, Default)]
struct Watch {
    /// The first decoded bytes of the present name, or of the present value of a `client_id`.
    seen: Vec<u8>,
    state: State,
    found: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Name,
    ClientIdValue,
    OtherValue,
}

const NAME: &str = "client_id";
/// Longer than any name or scheme that is looked for.
const ENOUGH: usize = 16;

impl FormScanner {
    /// In the value of a `client_id`.
    fn in_client_id() -> Self {
        let watch = Watch { state: State::ClientIdValue, ..Watch::default() };
        Self { decoder: FormDecoder::in_value(), watch }
    }

    /// Takes the next piece. True as soon as a `client_id` that is a URL was seen, and from then on.
    pub(super) fn scan(&mut self, piece: &[u8]) -> bool {
        let Self { decoder, watch } = self;
        let mut rest = piece;
        while !watch.found
            && let Some((byte, behind)) = rest.split_first()
        {
            decoder.take(*byte, &mut |part| watch.hear(part));
            // What is sent without a media type may be a form, and may be megabytes of anything.
            let next = if watch.is_indifferent() { memchr2(b'&', b'=', behind) } else { Some(0) };
            rest = next.map_or(&[], |next| &behind[next..]);
        }
        watch.found
    }
}

impl Watch {
    fn hear(&mut self, part: FormPart) {
        match part {
            FormPart::Byte(byte) => self.push(byte),
            FormPart::NameEnd if is_named(&self.seen, NAME) => self.begin(State::ClientIdValue),
            FormPart::NameEnd => self.begin(State::OtherValue),
            FormPart::PairEnd => self.begin(State::Name),
        }
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.seen.clear();
    }

    /// Whether nothing says anything before the name or the value is over.
    fn is_indifferent(&self) -> bool {
        self.state == State::OtherValue || self.seen.len() >= ENOUGH
    }

    fn push(&mut self, byte: u8) {
        if self.found || self.is_indifferent() || is_left_out(byte, &self.seen) {
            return;
        }
        self.seen.push(byte);
        self.found = self.state == State::ClientIdValue && begins_a_url(&self.seen);
    }
}

/// Whether this query names a client by a URL.
pub(super) fn is_in_query(query: &str) -> bool {
    FormScanner::default().scan(query.as_bytes())
}

/// Whether the HTTP Basic user (RFC 6749 §2.3.1: form-encoded) is a URL.
pub(super) fn is_in_authorization(headers: &HeaderMap) -> bool {
    headers.get_all(AUTHORIZATION).iter().filter_map(basic_credentials).flatten().any(|credentials| {
        let mut lowered = Vec::with_capacity(credentials.len());
        for byte in credentials.to_ascii_lowercase() {
            if !is_left_out(byte, &lowered) {
                lowered.push(byte);
            }
        }
        // Unencoded, the colon of the scheme ends the user.
        let is_unencoded_url = lowered.starts_with(b"http://") || lowered.starts_with(b"https://");
        is_unencoded_url || FormScanner::in_client_id().scan(basic_user(&credentials))
    })
}

/// User and password of HTTP Basic (RFC 7617), decoded; nothing where it is another scheme. An error is what is read by some and not by
/// others, or otherwise: characters besides those of base64, bits that are left over, white space or padding in the middle.
pub(super) fn basic_credentials(value: &HeaderValue) -> Option<Result<Vec<u8>, DecodeError>> {
    let (scheme, rest) = value.as_bytes().trim_ascii().split_first_chunk::<5>()?;
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    // Written without padding, or with a different one, it is still read by some, and as the same.
    let padding = rest.iter().rev().take_while(|byte| **byte == b'=').count();
    let encoded = rest[..rest.len() - padding].trim_ascii_start();
    Some(base64::engine::general_purpose::STANDARD_NO_PAD.decode(encoded))
}

/// The user of HTTP Basic, as it was written.
pub(super) fn basic_user(credentials: &[u8]) -> &[u8] {
    credentials.split(|b| *b == b':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_url_as_client_id_however_it_is_encoded() {
        for form in [
            "client_id=https://a.example/c",
            "a=b&client_id=HTTPS%3A%2F%2Fa.example",
            "client%5fid=http%3a//a",
            "%63lient_id=%68ttps:",
            "client_id=abc&client_id=https:x",
            "client_id=+https://a",
            "client_id=%20https://a",
            "client_id=ht%0Atps://a",
            "client_id=ht%09tps:%0D//a",
            "client_id=%01https://a",
            "client_id=%C2%A0https://a",
            "client_id=%EF%BB%BFhttps://a",
            "x&client_id=https:",
            "=&client_id=https:",
            "Client.ID=https:",
            "client_id[]=https:",
            "client_id%00x=https:",
        ] {
            assert!(FormScanner::default().scan(form.as_bytes()), "{form}");
            let mut scanner = FormScanner::default();
            assert!(form.as_bytes().chunks(1).any(|piece| scanner.scan(piece)), "{form} byte by byte");
        }
    }

    #[test]
    fn leaves_every_other_form_alone() {
        for form in [
            "",
            "client_id=abc",
            "client_id=httpsabc",
            "client_id=http",
            "redirect_uri=https://a/b&client_id=a",
            "my_client_id=https://a",
            "client_id_=https://a",
            "client_idx=https://a",
            "state=client_id=https://a",
            "client_id%3Dhttps://a",
            "client_id=a%https:",
            "client_id",
        ] {
            assert!(!FormScanner::default().scan(form.as_bytes()), "{form}");
        }
    }

    #[test]
    fn what_is_passed_over_hides_nothing_behind_it() {
        for long in ["a".repeat(100), format!("a={}", "b=%3".repeat(100)), format!("client_id={}%", "x".repeat(100))] {
            let form = format!("{long}&client_id=https:x");
            assert!(FormScanner::default().scan(form.as_bytes()), "{form}");
            for cut in 0..form.len() {
                let mut scanner = FormScanner::default();
                assert!(scanner.scan(&form.as_bytes()[..cut]) | scanner.scan(&form.as_bytes()[cut..]), "{cut}: {form}");
            }
            let harmless = format!("{long}=client_id=https:x");
            assert!(!FormScanner::default().scan(harmless.as_bytes()), "{harmless}");
        }
    }

    #[test]
    fn keeps_little_of_what_it_saw() {
        let mut scanner = FormScanner::default();
        for _ in 0..1000 {
            scanner.scan(&[b'a'; 1000]);
        }
        assert!(scanner.watch.seen.len() <= ENOUGH);
    }

    #[test]
    fn finds_a_url_as_basic_user() {
        let with = |user: &str| {
            let mut headers = HeaderMap::new();
            let encoded = base64::engine::general_purpose::STANDARD.encode(user);
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Basic {encoded}")).unwrap());
            is_in_authorization(&headers)
        };
        assert!(with("https%3A%2F%2Fa.example%2Fc:secret"));
        assert!(with("https://a.example/c:secret"));
        assert!(with("ht\ttps://a.example/c:secret"));
        assert!(!with("client:https://secret"));
        assert!(!with("https:secret"));
        assert!(!is_in_authorization(&HeaderMap::new()));
    }
}
