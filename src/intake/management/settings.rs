//! What registered clients may do with their registration access token: the `management` section.

use serde::{Deserialize, Serialize};

/// The `management` section.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ManagementSettings {
    /// What happens to a registration access token that the gateway did not issue (of a client registered before it was there). Default: `refuse`.
    pub unknown_tokens: UnknownTokens,
    /// What happens when a client asks for more than it has: further redirect URIs (after a logout, too), grant and response types, more scopes, other
    /// keys or another way to prove itself, other endpoints for logout, gives up a protection (DPoP, certificate-bound tokens, pushed or signed requests), or
    /// comes with a statement of other software. All of it passes the rules of its profile either way. Default: `allow`.
    pub growth: Growth,
}

/// What happens to tokens of somebody else's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownTokens {
    /// 401.
    #[default]
    Refuse,
    /// The server is asked. A client that it shows to the token enters the record and gets a token of the gateway's in its place;
    /// a change passes the rules of the first profile that fits.
    Forward,
}

/// What happens to a change that asks for more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Growth {
    /// It is recorded as a difference, and made.
    #[default]
    Allow,
    /// It is recorded as what the client asked for, and made when somebody approves it; until then all stays as it is. Scopes that only an approval grants are
    /// more as well. A statement of other software
    /// is refused with 403: that is another client.
    Approval,
    /// It is recorded as a difference, and refused with 403.
    Refuse,
}
