//! Opaque tokens that the gateway issues itself: their text, whether one is good. Only the hash of a token ever reaches a store;
//! randomness and time are arguments.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::settings::IssuedTokenSettings;
use super::{NotVerified, TokenRefusal};
use crate::clock::Timestamp;
use crate::duration::DurationText;
use crate::hexadecimal;
use crate::randomness::{self, Randomness};
use crate::secret::Secret;
use crate::store::{InitialAccessTokens, IssuedToken, TokenHash, TokenId};

/// How every token begins, so that secret scanners and people recognise one.
pub const PREFIX: &str = "dcrt_";
/// 32 octets in base64url without padding.
const RANDOM_PART: usize = 43;

/// What an operator asks for with `tokens create`.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The profile it is for.
    pub profile: String,
    /// What the operator calls it.
    pub label: Option<String>,
    /// How long it is valid.
    pub lifetime: Duration,
    /// How many registrations it is good for.
    pub max_uses: u32,
    /// The client certificate it is good together with, by its thumbprint.
    pub certificate_thumbprint: Option<CertificateThumbprint>,
}

/// SHA-256 over the DER of a client certificate, as tools print it: 64 hexadecimal digits of either case, colons between or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateThumbprint(String);

impl CertificateThumbprint {
    /// The digits, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for CertificateThumbprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hint = || "write the 64 hexadecimal digits of the certificate's SHA-256".to_owned();
        hexadecimal::sha256(text).map(Self).ok_or_else(hint)
    }
}

/// The randomness of one token.
#[derive(Clone, Copy)]
pub struct TokenRandomness {
    /// Becomes the text.
    pub text: [u8; 32],
    /// Becomes the id.
    pub id: [u8; 8],
}

impl TokenRandomness {
    /// That of a new token.
    pub fn draw(randomness: Randomness) -> Self {
        Self { text: randomness::octets(randomness), id: randomness::octets(randomness) }
    }
}

/// Why no token was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotIssued {
    /// Longer than `initial_access_tokens.issued.max_lifetime`.
    #[error("a token may be valid for {} at most (initial_access_tokens.issued.max_lifetime)", DurationText(*.longest))]
    LifetimeTooLong {
        /// The limit.
        longest: Duration,
    },
    /// A lifetime of nothing.
    #[error("a token must be valid for some time")]
    NoLifetime,
    /// No use at all.
    #[error("a token must be good for at least one use")]
    NoUses,
}

/// A new token: what the store keeps, and the text that is shown once.
#[derive(Debug, Clone)]
pub struct NewlyIssued {
    /// For the store.
    pub token: IssuedToken,
    /// For the store.
    pub hash: TokenHash,
    /// For the person who asked, once.
    pub text: Secret,
}

/// Makes a token. It is good for nothing until the store has it ([`InitialAccessTokens::create`]).
///
/// # Errors
/// What is wanted is not a token that could be used, or one for longer than the settings allow.
pub fn issue(
    wanted: NewToken,
    settings: &IssuedTokenSettings,
    randomness: TokenRandomness,
    now: Timestamp,
) -> Result<NewlyIssued, NotIssued> {
    let longest = settings.max_lifetime.0;
    if wanted.lifetime > longest {
        return Err(NotIssued::LifetimeTooLong { longest });
    }
    if wanted.lifetime.as_millis() == 0 {
        return Err(NotIssued::NoLifetime);
    }
    if wanted.max_uses == 0 {
        return Err(NotIssued::NoUses);
    }
    let mut text = String::with_capacity(PREFIX.len() + RANDOM_PART);
    text.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(randomness.text, &mut text);
    let text = Secret::new(text);
    let token = IssuedToken {
        id: TokenId(hexadecimal::written(&randomness.id)),
        profile: wanted.profile,
        label: wanted.label,
        certificate_thumbprint: wanted.certificate_thumbprint.map(|thumbprint| thumbprint.0),
        created_at: now,
        expires_at: now.after(wanted.lifetime),
        max_uses: wanted.max_uses,
        used: 0,
        revoked_at: None,
    };
    Ok(NewlyIssued { token, hash: TokenHash::of(&text), text })
}

/// Looks the token up and checks it at `now`. Reserves nothing: that is [`crate::store::Registrations::begin`]'s, atomically.
/// A text that cannot be ours does not reach the store.
///
/// # Errors
/// The token is not good now, or the store could not be asked: then nothing is known of it.
pub async fn verify<S>(store: &S, token: &Secret, now: Timestamp) -> Result<IssuedToken, NotVerified>
where
    S: InitialAccessTokens + ?Sized,
{
    if !has_the_form(token.expose()) {
        return Err(TokenRefusal::Malformed.into());
    }
    let found = store.find(TokenHash::of(token)).await?.ok_or(TokenRefusal::Unknown)?;
    match found.check(now) {
        Ok(()) => Ok(found),
        Err(unusable) => Err(NotVerified::Unusable(found.id, unusable.into())),
    }
}

fn has_the_form(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|random| {
        random.len() == RANDOM_PART
            && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

    fn wanted() -> NewToken {
        NewToken {
            profile: "partners".into(),
            label: None,
            lifetime: Duration::from_secs(3600),
            max_uses: 1,
            certificate_thumbprint: None,
        }
    }

    fn made() -> NewlyIssued {
        let randomness = TokenRandomness { text: [0xfb; 32], id: [1, 2, 3, 4, 5, 6, 7, 0xab] };
        issue(wanted(), &IssuedTokenSettings::default(), randomness, NOW).unwrap()
    }

    #[test]
    fn a_new_token_has_the_form_of_one() {
        let made = made();
        assert!(made.text.expose().starts_with("dcrt_"));
        assert!(has_the_form(made.text.expose()), "{}", made.text.expose());
        assert_eq!(made.token.id, TokenId("01020304050607ab".into()));
        assert_eq!(made.token.expires_at, NOW.after(Duration::from_secs(3600)));
        assert_eq!(made.hash, TokenHash::of(&made.text));
    }

    #[test]
    fn a_thumbprint_is_read_as_tools_print_it() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        for text in [plain.as_str(), &plain.to_uppercase(), &colons] {
            assert_eq!(text.parse(), Ok(CertificateThumbprint(plain.clone())), "{text}");
        }
        for text in ["", "ab", &plain[1..], &format!("{plain}ab"), &plain.replace('a', "g"), &plain.replace('a', "ä")]
        {
            assert!(text.parse::<CertificateThumbprint>().is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_to_make_a_token_past_the_limits() {
        let randomness = TokenRandomness { text: [0; 32], id: [0; 8] };
        let make = |wanted| issue(wanted, &IssuedTokenSettings::default(), randomness, NOW).map(|_| ());
        let day = Duration::from_secs(86_400);
        assert_eq!(make(NewToken { lifetime: day, ..wanted() }), Ok(()));
        let too_long = NewToken { lifetime: day + Duration::from_millis(1), ..wanted() };
        assert_eq!(make(too_long), Err(NotIssued::LifetimeTooLong { longest: day }));
        assert_eq!(make(NewToken { lifetime: Duration::ZERO, ..wanted() }), Err(NotIssued::NoLifetime));
        assert_eq!(make(NewToken { max_uses: 0, ..wanted() }), Err(NotIssued::NoUses));
    }

    #[tokio::test]
    async fn accepts_a_token_until_the_moment_it_expires() {
        let store = crate::store::memory::MemoryStore::default();
        let made = made();
        store.create(made.token.clone(), made.hash, Vec::new()).await.unwrap();
        let last = NOW.after(Duration::from_millis(3_599_999));
        assert_eq!(verify(&store, &made.text, last).await.unwrap(), made.token);
        let refused = verify(&store, &made.text, NOW.after(Duration::from_secs(3600))).await;
        assert!(matches!(refused, Err(NotVerified::Unusable(id, TokenRefusal::Expired)) if id == made.token.id));
    }

    #[tokio::test]
    async fn tells_unknown_from_malformed() {
        let store = crate::store::memory::MemoryStore::default();
        let unknown = format!("{PREFIX}{}", "A".repeat(RANDOM_PART));
        for (text, refusal) in [
            (unknown.as_str(), TokenRefusal::Unknown),
            (&unknown[1..], TokenRefusal::Malformed),
            (&unknown[..unknown.len() - 1], TokenRefusal::Malformed),
            ("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", TokenRefusal::Malformed),
        ] {
            let refused = verify(&store, &Secret::new(text), NOW).await;
            assert!(matches!(refused, Err(NotVerified::Refused(found)) if found == refusal), "{text}");
        }
    }
}
