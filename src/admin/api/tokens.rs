//! `/v1/tokens`: initial access tokens. The text of a token is in one answer, the one to its making, and nowhere else.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::routing::on;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::operation::{Body, Endpoint, Operation, Success, Verb, shape};
use super::request::{After, Id, JsonObject, Limit, Query, check_text, cut, page};
use crate::admin::caller::Caller;
use crate::admin::problem::{Kind, Problem};
use crate::admin::role::Role;
use crate::audit::{self, Actor, Event, Subject};
use crate::clock::Timestamp;
use crate::duration::DurationText;
use crate::policy::Profile;
use crate::policy::settings::Requirement;
use crate::registrant::initial_access_token::{CertificateThumbprint, NewToken, TokenRandomness, issue};
use crate::store::{Cursor, IssuedToken, TokenId, TokenUnusable};

/// An initial access token, without its text.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// Its name.
    pub id: String,
    /// The profile it is for.
    pub profile: String,
    /// What an operator called it.
    pub label: Option<String>,
    /// It is good only together with the client certificate of this thumbprint.
    pub certificate_thumbprint: Option<String>,
    /// `usable`, `expired`, `spent` or `revoked`.
    pub state: String,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// From this moment on it is refused.
    pub expires_at: String,
    /// How many registrations it is good for.
    pub max_uses: u32,
    /// How many are spent or reserved.
    pub used: u32,
    /// When it was revoked.
    pub revoked_at: Option<String>,
}

/// A page of tokens, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TokenList {
    /// The tokens.
    pub tokens: Vec<Token>,
    /// The `cursor` of the next page; none: this was the last.
    pub next: Option<String>,
}

/// A token that is wanted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// The profile it is for.
    pub profile: String,
    /// How long it is valid: `30m`, `1h`, `7d`.
    pub lifetime: DurationText,
    /// How many registrations it is good for; 1 unless it is said.
    #[schemars(range(min = 1))]
    pub max_uses: Option<u32>,
    /// What to call it in lists.
    pub label: Option<String>,
    /// The SHA-256 of the client certificate that it is to be good together with, in hexadecimal, colons or none.
    pub certificate_thumbprint: Option<String>,
}

/// A token that was made.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CreatedToken {
    /// What is kept of it.
    #[serde(flatten)]
    pub token: Token,
    /// Its text. It is not shown again.
    pub text: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// `next` of the page before.
    cursor: Option<After>,
    /// How many, at most; 50 unless it is said.
    limit: Option<Limit>,
}

impl Token {
    /// What is kept of the token, as it is at this moment.
    pub fn of(token: &IssuedToken, now: Timestamp) -> Self {
        let state = match token.check(now) {
            Ok(()) => "usable",
            Err(TokenUnusable::Expired) => "expired",
            Err(TokenUnusable::Spent) => "spent",
            Err(TokenUnusable::Revoked) => "revoked",
        };
        Self {
            id: token.id.0.clone(),
            profile: token.profile.clone(),
            label: token.label.clone(),
            certificate_thumbprint: token.certificate_thumbprint.clone(),
            state: state.to_owned(),
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.to_string(),
            max_uses: token.max_uses,
            used: token.used,
            revoked_at: token.revoked_at.map(|at| at.to_string()),
        }
    }
}

/// A token is for a profile that is there and takes tokens.
///
/// # Errors
/// A sentence about the profile.
pub fn check_profile(profiles: &[Profile], name: &str) -> Result<(), String> {
    let Some(profile) = profiles.iter().find(|profile| profile.name() == name) else {
        let known: Vec<&str> = profiles.iter().map(Profile::name).collect();
        return Err(format!("there is no profile {name:?}; there are: {}", known.join(", ")));
    };
    if profile.initial_access_token() == Requirement::Off {
        return Err(format!("profile {name:?} has initial_access_token: off, so the token could never be used"));
    }
    Ok(())
}

pub(super) fn operations() -> Vec<Operation> {
    let list = Operation::at(
        Endpoint::reading("listTokens", "/v1/tokens"),
        "The initial access tokens, newest first; never their text",
        Success::Shown(shape::<TokenList>()),
        |verb| on(verb, list),
    );
    let create = Operation::at(
        Endpoint::changing("createToken", Verb::Post, "/v1/tokens", Role::Administrator),
        "Makes an initial access token; its text is shown this once",
        Success::Created(shape::<CreatedToken>()),
        |verb| on(verb, create),
    );
    let revoke = Operation::at(
        Endpoint::changing("revokeToken", Verb::Post, "/v1/tokens/{id}/revoke", Role::Administrator),
        "Revokes a token: from now on it is refused",
        Success::Nothing,
        |verb| on(verb, revoke),
    );
    vec![list.with_query(shape::<Filter>()), create.with_body(Body::Required(shape::<CreateToken>())), revoke]
}

async fn list(State(api): State<Arc<Api>>, query: Query<Filter>) -> Result<Json<TokenList>, Problem> {
    let Filter { cursor, limit } = query.0?;
    let (shown, page) = page(limit, cursor);
    let mut tokens = api.tools().store.list(&page).await?;
    let next = cut(&mut tokens, shown, |token| Cursor { at: token.created_at, id: token.id.0.clone() });
    let now = api.tools().clock.now();
    Ok(Json(TokenList { tokens: tokens.iter().map(|token| Token::of(token, now)).collect(), next }))
}

async fn create(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    JsonObject(wanted): JsonObject<CreateToken>,
) -> Result<(StatusCode, Json<CreatedToken>), Problem> {
    let CreateToken { profile, lifetime, max_uses, label, certificate_thumbprint } = wanted;
    let invalid = |detail: String| Problem::new(Kind::RequestInvalid, detail);
    check_text("label", label.as_deref())?;
    let thumbprint = certificate_thumbprint.map(|text| text.parse::<CertificateThumbprint>()).transpose();
    let certificate_thumbprint = thumbprint.map_err(|error| invalid(format!("certificate_thumbprint: {error}")))?;
    let in_force = api.in_force.load();
    check_profile(&in_force.profiles, &profile).map_err(invalid)?;
    let max_uses = max_uses.unwrap_or(1);
    let wanted = NewToken { profile, label, lifetime: lifetime.0, max_uses, certificate_thumbprint };
    let tools = api.tools();
    let randomness = TokenRandomness::draw(tools.randomness);
    let now = tools.clock.now();
    let made = issue(wanted, &in_force.issued_tokens, randomness, now).map_err(|error| invalid(error.to_string()))?;
    let event = Event::new(audit::Kind::TokenCreated, Actor::Operator { name: caller.name.clone() });
    let event = event.of_token(&made.token);
    tools.store.create(made.token.clone(), made.hash, tools.audit.entry(|| event, now)?).await?;
    tracing::info!(actor = caller.name, token = made.token.id.0, profile = made.token.profile, "a token was made");
    let created = CreatedToken { token: Token::of(&made.token, now), text: made.text.expose().to_owned() };
    Ok((StatusCode::CREATED, Json(created)))
}

async fn revoke(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let (tools, now) = (api.tools(), api.tools().clock.now());
    let actor = Actor::Operator { name: caller.name.clone() };
    let name = TokenId(id.clone());
    let token = tools.store.token(&name).await?;
    let event = Event::new(audit::Kind::TokenRevoked, actor);
    let event = match &token {
        Some(token) => event.of_token(token),
        None => event.about(Subject::Token(id.clone())),
    };
    if !tools.store.revoke(&name, tools.audit.entry(|| event, now)?, now).await? {
        return Err(Problem::new(Kind::NotFound, format!("there is no token {id:?}")));
    }
    tracing::info!(actor = caller.name, token = id, "a token was revoked");
    Ok(StatusCode::NO_CONTENT)
}
