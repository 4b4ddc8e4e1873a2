//! Scope tokens and sets of them (RFC 6749 §3.3).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// One scope token: `1*( %x21 / %x23-5B / %x5D-7E )`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(#[schemars(regex(pattern = r"^[\x21\x23-\x5B\x5D-\x7E]+$"))] String);

/// Why a text is no scope token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a scope token (RFC 6749 §3.3: printable ASCII without space, quote and backslash)")]
pub struct MalformedScope(pub String);

impl Scope {
    /// Reads one token.
    ///
    /// # Errors
    /// The text, when it is empty or has a character that no token has.
    pub fn parse(text: &str) -> Result<Self, MalformedScope> {
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if !text.is_empty() && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(MalformedScope(text.to_owned()))
        }
    }

    /// The token's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Scope {
    type Error = MalformedScope;

    fn try_from(text: String) -> Result<Self, MalformedScope> {
        Self::parse(&text)
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Scope tokens, each once, in the order given: a client that gets what it asked for gets it as it wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(from = "Vec<Scope>")]
pub struct ScopeSet(Vec<Scope>);

impl ScopeSet {
    /// Reads the value of a `scope` member: tokens separated by spaces. Repeated tokens count once.
    ///
    /// # Errors
    /// The first token that is none. No token at all is an empty set.
    pub fn parse(text: &str) -> Result<Self, MalformedScope> {
        text.split(' ').filter(|token| !token.is_empty()).map(Scope::parse).collect()
    }

    /// What the record says, which was a set when it was written.
    pub fn recorded(text: &str) -> Self {
        Self::parse(text).unwrap_or_default()
    }

    /// Its tokens, and those of the other that it does not have.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).cloned().collect()
    }

    /// Its tokens that the other does not have.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.iter().filter(|scope| !other.contains(scope)).cloned().collect()
    }

    /// Whether the token is in the set.
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.contains(scope)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tokens.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(tokens: I) -> Self {
        let mut seen = BTreeSet::new();
        Self(tokens.into_iter().filter(|token| seen.insert(token.clone())).collect())
    }
}

impl From<Vec<Scope>> for ScopeSet {
    fn from(tokens: Vec<Scope>) -> Self {
        tokens.into_iter().collect()
    }
}

impl std::fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_value_is_tokens_between_spaces() {
        let set = ScopeSet::parse("orders:read openid  openid").unwrap();
        assert_eq!(set.to_string(), "orders:read openid");
    }

    #[test]
    fn two_sets_together_keep_their_order() {
        let set = |text: &str| ScopeSet::parse(text).unwrap();
        assert_eq!(set("b a").union(&set("c a")).to_string(), "b a c");
        assert_eq!(set("b a c").without(&set("c a")).to_string(), "b");
        assert_eq!(ScopeSet::recorded("b a"), set("b a"));
    }

    #[test]
    fn refuses_what_rfc_6749_does_not_allow_in_a_token() {
        for text in ["a\"b", "a\\b", "naïve", "a\tb", "a\nb"] {
            assert!(ScopeSet::parse(text).is_err(), "{text:?}");
        }
    }
}
