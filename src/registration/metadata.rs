//! The members of a registration request, parsed once into types; what is malformed is set down beside them, with its place.
//! Says nothing about whether a value is allowed.

use serde_json::{Map, Value};

use super::ErrorCode;
use super::grant::{ApplicationType, GrantType, ResponseType, TokenEndpointAuthMethod};
use super::key::JsonWebKeySet;
use super::redirect_uri::{MalformedRedirectUri, RedirectUri};
use super::scope::ScopeSet;
use super::software_statement::AppliedStatement;
use super::web_url::{MalformedWebUrl, WebUrl};

/// A parsed registration request (RFC 7591 §2, OpenID Connect Registration 1.0 §2).
///
/// An absent member, `null` and (for optional text members) `""` all mean "not asked for".
#[derive(Debug, Clone, Default)]
pub struct ClientMetadata {
    /// `redirect_uris` in the order given, each with what became of it.
    pub redirect_uris: Option<Vec<RequestedRedirectUri>>,
    /// `post_logout_redirect_uris` (OpenID Connect RP-Initiated Logout §3.1): also where a browser is sent, so of the same kinds.
    pub post_logout_redirect_uris: Option<Vec<RequestedRedirectUri>>,
    /// `token_endpoint_auth_method`.
    pub token_endpoint_auth_method: Option<TokenEndpointAuthMethod>,
    /// `grant_types`, repeated words once.
    pub grant_types: Option<Vec<GrantType>>,
    /// `response_types`, repeated words once.
    pub response_types: Option<Vec<ResponseType>>,
    /// `application_type`.
    pub application_type: Option<ApplicationType>,
    /// `client_name` and its language-tagged forms (`client_name#ja-JP`).
    pub client_names: Vec<Text>,
    /// Every member whose value is a URL (`client_uri`, `logo_uri#de`, `jwks_uri`, `request_uris[0]`, …).
    pub urls: Vec<RequestedUrl>,
    /// `scope`.
    pub scope: Option<ScopeSet>,
    /// `contacts`.
    pub contacts: Vec<Text>,
    /// `jwks`.
    pub jwks: Option<JsonWebKeySet>,
    /// `software_id`.
    pub software_id: Option<String>,
    /// `software_version`.
    pub software_version: Option<String>,
    /// `software_statement`, not yet verified.
    pub unverified_software_statement: Option<String>,
    /// The software statement that was verified and put over the request's own members.
    pub software_statement: Option<AppliedStatement>,
    /// Known members that need no rule of their own (algorithms, flags, ages), by name; each is of the type its specification says.
    pub plain: Map<String, Value>,
    /// Members only a server may assign (`client_id`, `client_secret`, `registration_access_token`, …) that the request held.
    pub server_assigned: Vec<String>,
    /// Members no specification we know defines; they are left out of what is sent (RFC 7591 §2: the server must ignore them).
    pub unknown: Vec<String>,
    /// The members as they were given, absent ones left out: nothing is sent of them but where report-only lets it through.
    pub members: Map<String, Value>,
    /// Everything that could not be read as what its specification says it is.
    pub malformed: Vec<Malformed>,
}

/// A text and the place it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Where it stands: `client_name#ja-JP`, `contacts[0]`.
    pub place: String,
    /// The text, exactly as given.
    pub text: String,
}

/// One entry of `redirect_uris`: the text exactly as given, and what it is.
#[derive(Debug, Clone)]
pub struct RequestedRedirectUri {
    /// The text as given.
    pub text: String,
    /// What it is, or why it cannot be one.
    pub parsed: Result<RedirectUri, MalformedRedirectUri>,
}

/// One URL member: its place, the text exactly as given, and what it is.
#[derive(Debug, Clone)]
pub struct RequestedUrl {
    /// The member's name without language tag or index: `client_uri`, `request_uris`.
    pub member: &'static str,
    /// Where it stands: `client_uri#de`, `request_uris[0]`.
    pub place: String,
    /// The text as given.
    pub text: String,
    /// What it is, or why it cannot be one.
    pub parsed: Result<WebUrl, MalformedWebUrl>,
}

/// A member that is not what its specification says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Where: `grant_types[1]`.
    pub place: String,
    /// What is wrong, as the end of a sentence that starts with the place: `must be an array of strings`.
    pub problem: String,
    /// The code RFC 7591 §3.2.2 has for it.
    pub code: ErrorCode,
}
