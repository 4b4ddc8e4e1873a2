//! Whom a forwarded request names as the client: `client_id` in the query, in the form or JSON and as HTTP Basic user, and `client_assertion`.
//! Pure; a form is read as it streams by, in bounded memory, and never changed.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::Value;

use super::client_id_guard::{basic_credentials, basic_user};
use super::form::{FormDecoder, FormPart};
use super::parameters::is_named;
use crate::intake::handler::UnverifiedClients;
use crate::intake::json_members;

/// The longest `client_assertion` that is kept, as long as the longest token that is read anywhere.
const LONGEST_ASSERTION: usize = 32 * 1024;
/// Longer than any name that is looked for.
const LONGEST_NAME: usize = 24;
/// As many as somebody who tries to be read as several would need; one is what the specifications allow (RFC 6749 §3.2).
const MOST: usize = 8;

/// Reads the names off a form.
#[derive(Debug, Clone, Default)]
pub(super) struct ClientNames {
    decoder: FormDecoder,
    reading: Reading,
}

#[derive(Debug, Clone, Default)]
struct Reading {
    text: Vec<u8>,
    watched: Watched,
    found: UnverifiedClients,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Watched {
    #[default]
    Name,
    ClientId,
    Assertion,
    Other,
}

impl Watched {
    fn by_name(name: &[u8]) -> Self {
        match name {
            name if is_named(name, "client_id") => Self::ClientId,
            name if is_named(name, "client_assertion") => Self::Assertion,
            _ => Self::Other,
        }
    }
}

impl ClientNames {
    /// The names in a request's head.
    pub(super) fn in_head(query: Option<&str>, headers: &HeaderMap) -> Self {
        let mut names = Self::default();
        if let Some(query) = query {
            names.read(query.as_bytes());
            names.end();
        }
        for credentials in headers.get_all(AUTHORIZATION).iter().filter_map(basic_credentials) {
            names.reading.found.by_basic = true;
            let Ok(credentials) = credentials else {
                names.give_up();
                continue;
            };
            let user = basic_user(&credentials);
            let mut decoded = Vec::new();
            let mut decoder = FormDecoder::in_value();
            let mut tell = |part| {
                if let FormPart::Byte(byte) = part {
                    decoded.push(byte);
                }
            };
            user.iter().filter(|byte| **byte != b'&').for_each(|byte| decoder.take(*byte, &mut tell));
            decoder.end(&mut tell);
            // RFC 6749 §2.3.1 has it encoded, not everybody does: the server may read either.
            for user in [user, &decoded] {
                names.reading.add_id(user);
            }
        }
        names
    }

    /// Reads the next piece of the form; true when it ended a name.
    pub(super) fn read(&mut self, piece: &[u8]) -> bool {
        let Self { decoder, reading } = self;
        let before = reading.found.len();
        piece.iter().for_each(|byte| decoder.take(*byte, &mut |part| reading.hear(part)));
        reading.found.len() > before
    }

    /// The form is over; true when that ended a name.
    pub(super) fn end(&mut self) -> bool {
        let Self { decoder, reading } = self;
        let before = reading.found.len();
        decoder.end(&mut |part| reading.hear(part));
        *decoder = FormDecoder::default();
        reading.found.len() > before
    }

    /// Reads parameters that are the members of a JSON object. What a server may read otherwise than we do is unclear.
    pub(super) fn read_json(&mut self, body: &[u8]) {
        let Some(members) = json_members(body) else { return self.give_up() };
        for (name, value) in &members {
            match (Watched::by_name(name.as_bytes()), value) {
                (Watched::Name | Watched::Other, _) | (_, Value::Null) => {}
                (Watched::ClientId, Value::String(id)) => self.reading.add_id(id.as_bytes()),
                (Watched::Assertion, Value::String(assertion)) => self.reading.add_assertion(assertion.as_bytes()),
                (Watched::ClientId | Watched::Assertion, _) => self.give_up(),
            }
        }
    }

    /// There may be names that cannot be read.
    pub(super) fn give_up(&mut self) {
        self.reading.found.is_unclear = true;
    }

    /// Those that were found up to now.
    pub(super) fn found(&self) -> &UnverifiedClients {
        &self.reading.found
    }
}

impl Reading {
    fn hear(&mut self, part: FormPart) {
        match part {
            FormPart::Byte(byte) => self.push(byte),
            FormPart::NameEnd => {
                self.watched = Watched::by_name(&self.text);
                self.text.clear();
            }
            FormPart::PairEnd => {
                let text = std::mem::take(&mut self.text);
                match std::mem::take(&mut self.watched) {
                    Watched::ClientId => self.add_id(&text),
                    Watched::Assertion => self.add_assertion(&text),
                    Watched::Name | Watched::Other => {}
                }
            }
        }
    }

    fn push(&mut self, byte: u8) {
        // What servers take off in front must not fill the room for the name.
        if self.watched == Watched::Name && self.text.is_empty() && (byte.is_ascii_whitespace() || byte == 0) {
            return;
        }
        let longest = match self.watched {
            Watched::Name => LONGEST_NAME,
            Watched::ClientId => UnverifiedClients::LONGEST_ID + 1,
            Watched::Assertion => LONGEST_ASSERTION + 1,
            Watched::Other => 0,
        };
        if self.text.len() < longest {
            self.text.push(byte);
        }
    }

    fn add_id(&mut self, text: &[u8]) {
        if text.len() > UnverifiedClients::LONGEST_ID {
            // Nobody is called so, but by a server that takes off what it is padded with.
            self.found.is_unclear = true;
            return;
        }
        let Ok(id) = std::str::from_utf8(text) else { return };
        add(&mut self.found.ids, id, &mut self.found.is_unclear);
        // Some servers take white space off, and Java's `String.trim` what is no character besides.
        let trimmed = id.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}');
        add(&mut self.found.ids, trimmed, &mut self.found.is_unclear);
    }

    fn add_assertion(&mut self, text: &[u8]) {
        match std::str::from_utf8(text) {
            Ok(assertion) if text.len() <= LONGEST_ASSERTION => {
                add(&mut self.found.assertions, assertion, &mut self.found.is_unclear);
            }
            _ => self.found.is_unclear = true,
        }
    }
}

/// Once each; too many are nobody's.
fn add(found: &mut Vec<String>, name: &str, is_unclear: &mut bool) {
    if name.is_empty() || found.iter().any(|known| known == name) {
        return;
    }
    if found.len() < MOST {
        found.push(name.to_owned());
    } else {
        *is_unclear = true;
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use http::HeaderValue;

    use super::*;

    fn in_form(form: &str) -> UnverifiedClients {
        let mut names = ClientNames::default();
        names.read(form.as_bytes());
        names.end();
        let mut by_byte = ClientNames::default();
        for piece in form.as_bytes().chunks(1) {
            by_byte.read(piece);
        }
        by_byte.end();
        assert_eq!(names.found(), by_byte.found(), "{form} byte by byte");
        names.found().clone()
    }

    #[test]
    fn finds_every_client_id_of_a_form() {
        assert_eq!(in_form("grant_type=refresh_token&client_id=abc").ids, ["abc"]);
        assert_eq!(in_form("client%5fid=a%20b&x=client_id").ids, ["a b"]);
        assert_eq!(in_form("client_id=a&client_id=b&client_id=a").ids, ["a", "b"]);
        assert_eq!(in_form("client_id=+a").ids, [" a", "a"]);
        assert_eq!(in_form("client_id=%01a%00").ids, ["\u{1}a\0", "a"]);
        assert_eq!(in_form("client_id=%EF%BB%BFa").ids, ["\u{feff}a", "a"]);
        assert_eq!(in_form("Client_Id=a&client.id=b").ids, ["a", "b"]);
        assert_eq!(in_form("client_id[]=a&client_id[0]=b&client_id+=c&client_id%00x=d").ids, ["a", "b", "c", "d"]);
        assert_eq!(in_form(&format!("{}client_id=a", "+".repeat(64))).ids, ["a"]);
        for form in ["", "client_id=", "client_id", "my_client_id=a", "client_idx=a"] {
            assert!(in_form(form).ids.is_empty(), "{form}");
        }
    }

    #[test]
    fn the_longest_name_of_a_client_is_found_and_a_longer_one_is_unclear() {
        let longest = "a".repeat(UnverifiedClients::LONGEST_ID);
        let found = in_form(&format!("client_id={longest}"));
        assert_eq!((found.ids, found.is_unclear), (vec![longest], false));
        for padded in
            [format!("{}abc", "+".repeat(UnverifiedClients::LONGEST_ID)), "a".repeat(UnverifiedClients::LONGEST_ID + 1)]
        {
            let found = in_form(&format!("client_id={padded}"));
            assert_eq!((found.ids, found.is_unclear), (Vec::new(), true));
        }
    }

    #[test]
    fn finds_the_assertion_of_a_form() {
        assert_eq!(in_form("client_assertion=a.b.c&client_assertion_type=x").assertions, ["a.b.c"]);
    }

    #[test]
    fn finds_the_names_in_json_and_says_when_they_are_unclear() {
        let in_json = |body: &str| {
            let mut names = ClientNames::default();
            names.read_json(body.as_bytes());
            names.found().clone()
        };
        let found =
            in_json(r#"{"grant_type":"x","Client\u005fid":" a","client_assertion":"a.b.c","client_secret":null}"#);
        assert_eq!((found.ids, found.assertions), (vec![" a".to_owned(), "a".to_owned()], vec!["a.b.c".to_owned()]));
        assert!(!in_json(r#"{"client_id":null,"audience":"https://api.example.com/"}"#).is_unclear);
        for unclear in ["", "[]", "client_id=gone", r#"{"client_id":["a"]}"#, r#"{"client_id":"a","client_id":"b"}"#] {
            assert!(in_json(unclear).is_unclear, "{unclear}");
        }
    }

    #[test]
    fn tells_when_a_name_has_ended() {
        let mut names = ClientNames::default();
        assert!(!names.read(b"client_id=a"));
        assert!(names.read(b"bc&x"));
        assert!(!names.read(b"=1&client_id=d"));
        assert!(names.end());
        assert_eq!(names.found().ids, ["abc", "d"]);
    }

    #[test]
    fn finds_the_user_of_http_basic_in_both_readings() {
        let mut headers = HeaderMap::new();
        let encoded = base64::engine::general_purpose::STANDARD.encode("a%3Ab:secret");
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Basic {encoded}")).unwrap());
        let names = ClientNames::in_head(Some("client_id=q"), &headers);
        assert_eq!(names.found().ids, ["q", "a%3Ab", "a:b"]);
        assert!(names.found().by_basic);
        assert!(!ClientNames::in_head(Some("a=b"), &HeaderMap::new()).found().by_basic);
    }

    #[test]
    fn basic_credentials_that_can_be_read_in_more_than_one_way_are_unclear() {
        let by_basic = |credentials: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_bytes(credentials.as_bytes()).unwrap());
            ClientNames::in_head(None, &headers).found().clone()
        };
        for plain in
            ["Basic YTpz", "basic  YTpzczo=", "Basic YTpzczo", "Basic YTpzcw==", "Basic YTpzcw", "BASIC YTo/Pz8+Pj4="]
        {
            let found = by_basic(plain);
            assert_eq!((found.ids, found.is_unclear, found.by_basic), (vec!["a".to_owned()], false, true), "{plain}");
        }
        for unclear in [
            "Basic YTpzczp=",
            "Basic YTpzcx==",
            "Basic YTp!zczo=",
            "Basic YT.pzczo=",
            "Basic YTpz czo=",
            "Basic YTpz=czo=",
            "Basic YTo_Pz8-Pj4=",
            "Basic YTpzc",
            "Basic YTpz, Basic YTpz",
            "Basic \"YTpz\"",
            "Basic YTpz\u{a0}",
            "Basic aHR0cHM6Ly9ldmlsLmV4YW1wbGUvYzp4eR==",
        ] {
            let found = by_basic(unclear);
            assert_eq!((found.ids, found.is_unclear, found.by_basic), (Vec::new(), true, true), "{unclear}");
        }
        for other in ["Bearer YTp!z", "DPoP YTp!z", "Digest username=\"a\""] {
            assert_eq!(by_basic(other), UnverifiedClients::default(), "{other}");
        }
    }

    #[test]
    fn many_names_are_unclear_and_memory_stays_bounded() {
        let form: String = (0..100).map(|n| format!("client_id={n}&")).collect();
        let found = in_form(&form);
        assert_eq!(found.ids.len(), MOST);
        assert!(found.is_unclear);
        let mut names = ClientNames::default();
        names.read(b"client_assertion=");
        for _ in 0..100 {
            names.read(&[b'a'; 1000]);
        }
        assert!(names.reading.text.len() <= LONGEST_ASSERTION + 1);
        names.end();
        assert!(names.found().is_unclear);
    }
}
