//! The console: a page for the people who approve, on the TCP admin listener. It asks the same API as everybody; what is here is the page
//! itself, from the executable, and how a person signs in. No route here reads or changes a record.

mod openid;
mod page;
pub(super) mod provider;
mod same_origin;
mod sealed_cookie;
mod session;
pub mod settings;
mod sign_in;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue};
use http::header::{REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};

use super::api::Api;
use super::caller::Arrival;
use super::problem::{Kind, Problem};

pub(super) use session::identify;

/// The largest body of a request here: a token.
const LARGEST_BODY: usize = 4 * 1024;

/// On every answer. Names and texts of clients are on this page: nothing but our own files may run, be loaded or be asked, nobody may
/// frame it, and no text becomes markup (Trusted Types without a policy: there is none to be tricked).
const HEADERS: [(HeaderName, &str); 7] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The routes below `/console`.
pub(super) fn router(api: Arc<Api>) -> Router {
    let nothing = async || Problem::new(Kind::NotFound, "there is no such page in the console");
    page::routes()
        .merge(sign_in::routes())
        .merge(openid::routes())
        .route("/console/{*anything}", axum::routing::any(nothing))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(api.clone(), guard))
        .with_state(api)
}

/// The console is for browsers, and there only where somebody could sign in.
async fn guard(State(api): State<Arc<Api>>, arrival: Extension<Arrival>, request: Request, next: Next) -> Response {
    let is_there = *arrival == Arrival::Network && api.in_force.load().are_on_the_network();
    let absent = || Problem::new(Kind::NotFound, "the console is served at admin.listen, where somebody may sign in");
    let mut response = if is_there { next.run(request).await } else { absent().into_response() };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
