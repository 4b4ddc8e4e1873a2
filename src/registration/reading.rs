//! From strict JSON to [`ClientMetadata`]: every member read as what its specification says it is, every failure set down.
//! `null`, and `""` for a member that is one text, mean the same as an absent member (RFC 7591 §3.2.1 has no nulls; real clients send both).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::excerpt::Excerpt;
use super::grant::{ApplicationType, GrantType, ResponseType, TokenEndpointAuthMethod};
use super::key::JsonWebKeySet;
use super::members::{self, MemberKind};
use super::metadata::{Malformed, RequestedRedirectUri, RequestedUrl, Text};
use super::redirect_uri::{MalformedRedirectUri, RedirectUri};
use super::scope::ScopeSet;
use super::software_statement::MEMBER;
use super::web_url::WebUrl;
use super::{ClientMetadata, ErrorCode};

/// The most entries of an array that are read: enough for every client, little enough that a hostile body costs nothing.
const MOST_ENTRIES: usize = 100;

/// The most unknown members, and the most malformed ones, that are set down.
const MOST_NAMED: usize = 64;

/// Beyond this a server whose numbers are doubles would read another number than was judged (RFC 7493 §2.2).
const MOST_SECONDS: u64 = (1 << 53) - 1;

/// The longest name of an unknown member that is set down, in bytes.
const LONGEST_NAME: usize = 80;

impl ClientMetadata {
    /// Reads the members of a registration request. Never fails: what cannot be read is in `malformed`.
    pub fn from_json(mut members: Map<String, Value>) -> Self {
        members.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
        let mut reading = Reading::default();
        for (name, value) in &members {
            reading.member(name, value);
        }
        Self { members, ..reading.metadata }
    }
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    metadata: ClientMetadata,
    /// Localized members seen, tags in lower case: they are compared without case (RFC 5646 §2.1.1).
    localized: BTreeSet<(&'static str, String)>,
}

impl Reading {
    fn member(&mut self, name: &str, value: &Value) {
        let known = match name.split_once('#') {
            None => members::find(name).map(|(member, kind)| (member, kind, "")),
            Some((base, tag)) => members::find_localized(base).map(|(member, kind)| (member, kind, tag)),
        };
        let Some((member, kind, tag)) = known else { return self.unknown(name) };
        let tagged = name.len() > member.len();
        if tagged && !members::is_language_tag(tag) {
            // `de_DE` and `de_DE.UTF-8` are how Java and POSIX write a locale: no member that anybody knows, and no reason to refuse the client.
            return self.unknown(name);
        }
        match kind {
            MemberKind::Own => self.own(member, value),
            MemberKind::LocalizedText | MemberKind::LocalizedUrl => {
                if !self.localized.insert((member, tag.to_ascii_lowercase())) {
                    return self
                        .malformed(name, "stands there twice, language tags being the same in upper and lower case");
                }
                if kind == MemberKind::LocalizedUrl {
                    self.url(member, name, value);
                } else if let Some(text) = self.text(name, value) {
                    self.metadata.client_names.push(Text { place: name.to_owned(), text });
                }
            }
            MemberKind::Url => self.url(member, name, value),
            MemberKind::Urls => {
                for (place, entry) in self.entries(member, value) {
                    self.url(member, &place, entry);
                }
            }
            MemberKind::Text => {
                if let Some(text) = self.text(name, value) {
                    self.metadata.plain.insert(name.to_owned(), Value::String(text));
                }
            }
            MemberKind::Texts => {
                let texts = self.texts(member, value).into_iter().map(|text| Value::String(text.text)).collect();
                self.metadata.plain.insert(name.to_owned(), Value::Array(texts));
            }
            MemberKind::Flag if value.is_boolean() => self.plain(name, value),
            MemberKind::Flag => self.malformed(name, "must be true or false"),
            MemberKind::Seconds => match whole_seconds(value) {
                Some(seconds) => self.plain(name, &seconds.into()),
                None => self.malformed(name, "must be a whole number of seconds, not negative and below 2^53"),
            },
            MemberKind::ServerAssigned => self.metadata.server_assigned.push(name.to_owned()),
        }
    }

    fn own(&mut self, member: &'static str, value: &Value) {
        match member {
            "redirect_uris" => self.metadata.redirect_uris = self.redirect_uris(member, value),
            "post_logout_redirect_uris" => self.metadata.post_logout_redirect_uris = self.redirect_uris(member, value),
            "grant_types" => self.metadata.grant_types = self.words(member, value, GrantType::parse),
            "response_types" => self.metadata.response_types = self.words(member, value, ResponseType::parse),
            "token_endpoint_auth_method" => {
                let word = self.text(member, value);
                self.metadata.token_endpoint_auth_method = word.as_deref().map(TokenEndpointAuthMethod::parse);
            }
            "application_type" => {
                let word = self.text(member, value);
                self.metadata.application_type = word.as_deref().map(ApplicationType::parse);
            }
            "scope" => {
                let Some(text) = self.text(member, value) else { return };
                match ScopeSet::parse(&text) {
                    Ok(scopes) => self.metadata.scope = Some(scopes),
                    Err(_) => self.malformed(member, "has a token with a character that no scope has (RFC 6749 §3.3)"),
                }
            }
            "contacts" => self.metadata.contacts = self.texts(member, value),
            "jwks" => match JsonWebKeySet::parse(value) {
                // No key is registered by an empty set (RFC 7517 §5), as by none.
                Ok(keys) => self.metadata.jwks = Some(keys).filter(|set| !set.keys.is_empty()),
                Err(problem) => self.malformed(&problem.place, problem.problem),
            },
            "software_id" => self.metadata.software_id = self.text(member, value),
            "software_version" => self.metadata.software_version = self.text(member, value),
            MEMBER => self.metadata.unverified_software_statement = self.text(member, value),
            _ => self.malformed(member, "is known, and nobody reads it"),
        }
    }

    fn plain(&mut self, name: &str, value: &Value) {
        self.metadata.plain.insert(name.to_owned(), value.clone());
    }

    fn text(&mut self, place: &str, value: &Value) -> Option<String> {
        match value {
            Value::String(text) if text.contains(char::is_control) => {
                self.malformed(place, "contains a control character");
                None
            }
            Value::String(text) => Some(text.clone()),
            _ => {
                self.malformed(place, "must be a string");
                None
            }
        }
    }

    fn url(&mut self, member: &'static str, place: &str, value: &Value) {
        // Control characters are among what `WebUrl` refuses, with the same sentence for every URL.
        let Value::String(text) = value else { return self.malformed(place, "must be a string") };
        let parsed = WebUrl::parse(text);
        self.metadata.urls.push(RequestedUrl { member, place: place.to_owned(), text: text.clone(), parsed });
    }

    /// The entries of an array, each with its place.
    fn entries<'v>(&mut self, member: &str, value: &'v Value) -> Vec<(String, &'v Value)> {
        let Value::Array(entries) = value else {
            self.malformed(member, "must be an array of strings");
            return Vec::new();
        };
        if entries.len() > MOST_ENTRIES {
            self.malformed(member, format!("has {} entries, at most {MOST_ENTRIES} are read", entries.len()));
        }
        let place = |(index, entry)| (format!("{member}[{index}]"), entry);
        entries.iter().take(MOST_ENTRIES).enumerate().map(place).collect()
    }

    fn texts(&mut self, member: &str, value: &Value) -> Vec<Text> {
        let entries = self.entries(member, value);
        let mut texts = Vec::with_capacity(entries.len());
        for (place, entry) in entries {
            if let Some(text) = self.text(&place, entry) {
                texts.push(Text { place, text });
            }
        }
        texts
    }

    /// An array of words, each kept once, in the order given.
    fn words<T: PartialEq>(&mut self, member: &str, value: &Value, parse: impl Fn(&str) -> T) -> Option<Vec<T>> {
        let is_array = value.is_array();
        let mut words = Vec::new();
        for text in self.texts(member, value) {
            if text.text.is_empty() {
                self.malformed(&text.place, "is empty");
                continue;
            }
            let word = parse(&text.text);
            if !words.contains(&word) {
                words.push(word);
            }
        }
        is_array.then_some(words)
    }

    fn redirect_uris(&mut self, member: &str, value: &Value) -> Option<Vec<RequestedRedirectUri>> {
        let read = |(_, entry): (String, &Value)| match entry {
            Value::String(text) => RequestedRedirectUri { text: text.clone(), parsed: RedirectUri::parse(text) },
            // Kept in its place, so that the others keep their numbers.
            _ => RequestedRedirectUri { text: String::new(), parsed: Err(MalformedRedirectUri::NotAString) },
        };
        let uris = self.entries(member, value).into_iter().map(read).collect();
        value.is_array().then_some(uris)
    }

    fn unknown(&mut self, name: &str) {
        if self.metadata.unknown.len() < MOST_NAMED {
            self.metadata.unknown.push(shortened(name));
        }
    }

    fn malformed(&mut self, place: &str, problem: impl Into<String>) {
        if self.metadata.malformed.len() >= MOST_NAMED {
            return;
        }
        let code = match place.split(['[', '.', '#']).next() {
            Some("redirect_uris") => ErrorCode::InvalidRedirectUri,
            Some("software_statement") => ErrorCode::InvalidSoftwareStatement,
            _ => ErrorCode::InvalidClientMetadata,
        };
        self.metadata.malformed.push(Malformed { place: place.to_owned(), problem: problem.into(), code });
    }
}

/// A member's name as it may stand in a sentence: as it is when it is short and printable ASCII, else as an excerpt.
fn shortened(name: &str) -> String {
    let plain = !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(|byte| byte.is_ascii_graphic());
    if plain { name.to_owned() } else { Excerpt(name).to_string() }
}

/// `3600.0` is the number that `3600` is (RFC 8259 §6).
fn whole_seconds(value: &Value) -> Option<u64> {
    let of_float =
        || value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=MOST_SECONDS as f64).contains(number));
    value.as_u64().or_else(|| of_float().map(|number| number as u64)).filter(|seconds| *seconds <= MOST_SECONDS)
}

#[cfg(test)]
mod tests;
