//! Initial access tokens as a store keeps them: what was issued, and which use a registration reserves.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::page::{Cursor, LARGEST_PAGE, Page};
use super::{AuditEntry, StoreError};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// How long after its end a token of somebody else's is still known to be spent: clocks of replicas differ.
pub(super) const SPENT_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// SHA-256 of a token's text: all that is kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// A plain hash is enough: every token that we issue has 256 random bits, there is nothing to guess.
    pub fn of(token: &Secret) -> Self {
        Self(Sha256::digest(token.expose().as_bytes()).into())
    }
}

/// Names a token in lists, logs and the record; says nothing about its text. 16 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub String);

/// An initial access token as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IssuedToken {
    /// Its name.
    pub id: TokenId,
    /// The profile it was made for.
    pub profile: String,
    /// What an operator called it.
    pub label: Option<String>,
    /// It is good only together with the client certificate of this thumbprint (SHA-256, hexadecimal).
    pub certificate_thumbprint: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From this moment on it is refused.
    pub expires_at: Timestamp,
    /// How many registrations it is good for.
    pub max_uses: u32,
    /// How many are spent or reserved.
    pub used: u32,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Why a token that exists cannot be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenUnusable {
    /// Past its expiry.
    Expired,
    /// Every use is spent or reserved.
    Spent,
    /// Revoked by an operator.
    Revoked,
}

impl IssuedToken {
    /// Whether the token may be used at `now`.
    ///
    /// # Errors
    /// Why not. What was revoked is told as that, whatever else it is.
    pub fn check(&self, now: Timestamp) -> Result<(), TokenUnusable> {
        if self.revoked_at.is_some() {
            Err(TokenUnusable::Revoked)
        } else if now >= self.expires_at {
            Err(TokenUnusable::Expired)
        } else if self.used >= self.max_uses {
            Err(TokenUnusable::Spent)
        } else {
            Ok(())
        }
    }
}

/// The use of a token that a registration reserves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenUse {
    /// One of the uses of a token that the gateway issued.
    Issued(TokenId),
    /// The only use of a token that somebody else issued (a JWT by its `jti`).
    Once {
        /// Who issued it.
        issuer: String,
        /// What the issuer calls it.
        id: String,
        /// When it ends: from then on nobody needs to remember that it was used.
        until: Timestamp,
    },
}

/// Initial access tokens.
#[async_trait]
pub trait InitialAccessTokens: Send + Sync {
    /// Keeps a new token, and records the entries in the same transaction.
    async fn create(&self, token: IssuedToken, hash: TokenHash, entries: Vec<AuditEntry>) -> Result<(), StoreError>;
    /// The token with this hash, whatever its state. Implementations look up by the hash and compare the whole of it in constant time.
    async fn find(&self, hash: TokenHash) -> Result<Option<IssuedToken>, StoreError>;
    /// The token with this name, whatever its state.
    async fn token(&self, id: &TokenId) -> Result<Option<IssuedToken>, StoreError>;
    /// The tokens, newest first.
    async fn list(&self, page: &Page) -> Result<Vec<IssuedToken>, StoreError>;
    /// All of them, newest first; page by page, only so many are read at once.
    async fn all_tokens(&self) -> Result<Vec<IssuedToken>, StoreError> {
        let (mut tokens, mut page) = (Vec::new(), Page::first(LARGEST_PAGE));
        loop {
            let found = self.list(&page).await?;
            let Some(last) = found.last() else { return Ok(tokens) };
            page.after = Some(Cursor { at: last.created_at, id: last.id.0.clone() });
            tokens.extend(found);
        }
    }
    /// Revokes, and records the entries in the same transaction; false when no such token exists: then nothing is recorded. Revoking twice
    /// keeps the first moment.
    async fn revoke(&self, id: &TokenId, entries: Vec<AuditEntry>, now: Timestamp) -> Result<bool, StoreError>;
}
