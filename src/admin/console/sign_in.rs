//! `/console/session`: who is signed in; signing in with an admin token, and out.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::SET_COOKIE;
use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::same_origin;
use super::sealed_cookie::{self, SESSION};
use super::session::{By, Session, signed_in};
use crate::admin::api::{Api, JsonObject};
use crate::admin::caller::Caller;
use crate::admin::problem::{Kind, Problem};
use crate::admin::role::Role;
use crate::admin::settings::TokenDigest;
use crate::audit::{Actor, Event, Subject, event};
use crate::secret::Secret;

/// What the page asks first.
#[derive(Debug, Serialize)]
struct Standing {
    /// Who is signed in.
    operator: Option<Operator>,
    /// Whether one can sign in at an OpenID Provider.
    openid: bool,
}

#[derive(Debug, Serialize)]
struct Operator {
    name: String,
    role: Role,
    /// When the session ends (RFC 3339).
    until: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    token: String,
}

impl Operator {
    fn of(session: &Session, caller: Caller) -> Self {
        Self { name: caller.name, role: caller.role, until: session.until().to_string() }
    }
}

pub(super) fn routes() -> Router<Arc<Api>> {
    Router::new().route("/console/session", get(standing).post(sign_in).delete(sign_out))
}

async fn standing(State(api): State<Arc<Api>>, headers: HeaderMap) -> Json<Standing> {
    let operator = signed_in(&api, &headers).map(|(session, caller)| Operator::of(&session, caller));
    Json(Standing { operator, openid: api.in_force.load().provider.is_some() })
}

/// The token comes once; from then on the cookie stands for it.
async fn sign_in(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Result<JsonObject<SignIn>, Problem>,
) -> Result<Response, Problem> {
    check_origin(&Method::POST, &headers)?;
    let token = Secret::new(body?.0.token);
    let in_force = api.in_force.load();
    let digest = TokenDigest::of(&token);
    let Some(caller) = in_force.operators.with_token(&digest.0) else {
        tracing::warn!("somebody tried to sign in to the console with an unknown token");
        api.note_not_signed_in("token_unknown");
        return Err(Problem::new(Kind::Unauthenticated, "the token is unknown"));
    };
    let age = in_force.session;
    let session = Session::new(By::Token(digest), api.intake.tools().clock.now().after(age));
    let line = sealed_cookie::set(&api, &SESSION, &session, age)?;
    signed_in_as(&api, &caller.name, "token").await?;
    let standing = Standing { operator: Some(Operator::of(&session, caller)), openid: in_force.provider.is_some() };
    Ok(([(SET_COOKIE, line)], Json(standing)).into_response())
}

/// It is recorded before anybody has the session.
pub(super) async fn signed_in_as(api: &Api, name: &str, by: &'static str) -> Result<(), Problem> {
    let operator = Actor::Operator { name: name.to_owned() };
    api.record(Event::new(event::Kind::OperatorSignedIn, operator).about(Subject::console()).because(by)).await?;
    tracing::info!(actor = name, "signed in to the console");
    Ok(())
}

async fn sign_out(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Problem> {
    check_origin(&Method::DELETE, &headers)?;
    if let Some((_, Caller { name, .. })) = signed_in(&api, &headers) {
        let operator = Actor::Operator { name };
        api.record(Event::new(event::Kind::OperatorSignedOut, operator).about(Subject::console())).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, sealed_cookie::clear(&SESSION)?)]).into_response())
}

/// Also for signing in: nobody is signed in as somebody else by another site's page.
fn check_origin(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    same_origin::check(method, headers).map_err(|error| Problem::new(Kind::Forbidden, error.to_string()))
}
