//! `/console/sign-in` and `/console/callback`: to the OpenID Provider and back. What belongs together of one sign-in is in a sealed cookie
//! of the browser that began it, so nobody can end somebody else's.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::SET_COOKIE;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::provider::{Attempt, NotSignedIn, Provider};
use super::sealed_cookie::{self, BEGUN, SESSION};
use super::session::{By, Session};
use super::sign_in;
use crate::admin::api::{Api, Query};
use crate::admin::problem::{Kind, Problem};
use crate::randomness;

/// How long somebody may take at the provider.
const PATIENCE: Duration = Duration::from_secs(600);

/// A sign-in that was begun.
#[derive(Serialize, Deserialize)]
struct Begun {
    state: String,
    nonce: String,
    verifier: String,
    /// Milliseconds since 1970.
    until: i64,
}

/// How the provider sends somebody back (RFC 6749 §4.1.2, RFC 9207).
#[derive(Deserialize)]
struct Back {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Why a sign-in did not work, as the page is told: it has a sentence for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Begin,
    Provider,
    Role,
}

impl Refused {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "sign_in_not_begun_here",
            Self::Provider => "provider_refused",
            Self::Role => "no_role",
        }
    }

    fn page(self) -> Redirect {
        Redirect::to(match self {
            Self::Begin => "/console/?refused=begin",
            Self::Provider => "/console/?refused=provider",
            Self::Role => "/console/?refused=role",
        })
    }
}

pub(super) fn routes() -> Router<Arc<Api>> {
    Router::new().route("/console/sign-in", get(begin)).route("/console/callback", get(end))
}

async fn begin(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let in_force = api.in_force.load_full();
    let Some(provider) = &in_force.provider else {
        return Err(Problem::new(Kind::NotFound, "the configuration has no admin.sign_in.openid"));
    };
    let metadata = match provider.metadata().await {
        Ok(metadata) => metadata,
        Err(error) => return Ok(told(&error).page().into_response()),
    };
    let random = || URL_SAFE_NO_PAD.encode(randomness::octets::<32>(api.intake.tools().randomness));
    let until = api.intake.tools().clock.now().after(PATIENCE).unix_millis();
    let begun = Begun { state: random(), nonce: random(), verifier: random(), until };
    let attempt = Attempt { nonce: &begun.nonce, verifier: &begun.verifier };
    match provider.authorization_url(&metadata, &begun.state, &attempt) {
        Ok(url) => {
            let line = sealed_cookie::set(&api, &BEGUN, &begun, PATIENCE)?;
            Ok(([(SET_COOKIE, line)], Redirect::to(&url)).into_response())
        }
        Err(error) => Ok(told(&error).page().into_response()),
    }
}

/// Whatever comes of it, what was begun is over.
async fn end(State(api): State<Arc<Api>>, headers: HeaderMap, back: Query<Back>) -> Result<Response, Problem> {
    let back = back.0?;
    let in_force = api.in_force.load_full();
    let mut response = match &in_force.provider {
        None => Refused::Begin.page().into_response(),
        Some(provider) => match session(&api, provider, &headers, back).await {
            Err(refused) => {
                api.note_not_signed_in(refused.as_str());
                refused.page().into_response()
            }
            Ok((session, name)) => {
                sign_in::signed_in_as(&api, &name, "openid").await?;
                let line = sealed_cookie::set(&api, &SESSION, &session, in_force.session)?;
                ([(SET_COOKIE, line)], Redirect::to("/console/")).into_response()
            }
        },
    };
    response.headers_mut().append(SET_COOKIE, sealed_cookie::clear(&BEGUN)?);
    Ok(response)
}

async fn session(
    api: &Api,
    provider: &Provider,
    headers: &HeaderMap,
    back: Back,
) -> Result<(Session, String), Refused> {
    let now = api.intake.tools().clock.now();
    let begun: Begun = sealed_cookie::get(api, &BEGUN, headers).ok_or(Refused::Begin)?;
    let state = back.state.unwrap_or_default();
    if now.unix_millis() >= begun.until || !bool::from(state.as_bytes().ct_eq(begun.state.as_bytes())) {
        return Err(Refused::Begin);
    }
    // RFC 9207 §2.4: an answer of another provider's.
    if back.iss.is_some_and(|issuer| issuer != provider.settings.issuer) {
        return Err(Refused::Provider);
    }
    if let Some(error) = back.error {
        tracing::warn!(error, "the OpenID Provider did not sign somebody in to the console");
        return Err(Refused::Provider);
    }
    let code = back.code.ok_or(Refused::Provider)?;
    let attempt = Attempt { nonce: &begun.nonce, verifier: &begun.verifier };
    let person = provider.person(&code, &attempt, now).await.map_err(|error| told(&error))?;
    let (issuer, name) = (provider.settings.issuer.clone(), person.name.clone());
    let by = By::OpenId { issuer, name: person.name, roles: person.roles };
    Ok((Session::new(by, now.after(api.in_force.load().session)), name))
}

fn told(error: &NotSignedIn) -> Refused {
    tracing::warn!(%error, "nobody was signed in to the console");
    match error {
        NotSignedIn::NoRole(_) => Refused::Role,
        NotSignedIn::Provider(_) | NotSignedIn::Token(_) => Refused::Provider,
    }
}
