//! One discovery request: the server's own document, made to lead through the gateway.

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, EXPIRES};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use super::form::json_answer;
use super::handler::{Answer, Head};
use super::reason::Reason;
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use crate::authorization_server::discovery::{self, Rewritten};
use crate::authorization_server::paths::DiscoveryForm;
use crate::authorization_server::transport::Purpose;
use crate::telemetry::metrics;

/// What may be done to a document.
pub(super) const ALLOWED: &str = "GET, HEAD, OPTIONS";

/// Answers with the document of this form, or with another one where the server has none of this form: MCP clients ask for the
/// inserted forms first, some servers publish the appended ones only.
pub async fn discover(rulebook: &Rulebook, head: &Head, form: DiscoveryForm) -> Result<Answer, Refusal> {
    if head.method != Method::GET && head.method != Method::HEAD {
        let allow = HeaderValue::from_static(ALLOWED);
        return Err(Refusal::from(Reason::MethodNotAllowed).header(ALLOW, allow));
    }
    document(rulebook, form).await.map_err(Refusal::may_be_repeated)
}

/// The document of this form, or of the first other form that the server has.
pub async fn document(rulebook: &Rulebook, form: DiscoveryForm) -> Result<Answer, Refusal> {
    if let Some(own) = &rulebook.own_metadata {
        // No OpenID Connect: the ID tokens are of another issuer.
        return if form.is_openid() { Err(Reason::PathUnknown.into()) } else { json_answer(StatusCode::OK, own) };
    }
    let mut forms = DiscoveryForm::ALL;
    forms.sort_by_key(|other| (*other != form, other.is_openid() != form.is_openid()));
    let mut instead: Option<Refusal> = None;
    for form in forms {
        let response = fetch(rulebook, &form.path(&rulebook.issuer_path)).await?;
        let status = response.status();
        let problem = match status {
            StatusCode::OK => match rulebook.rewriting.apply(response.body()) {
                Ok(rewritten) => return answer(rulebook, &response, rewritten),
                Err(error) => error.to_string(),
            },
            StatusCode::NOT_FOUND => continue,
            status => format!("metadata: {status}"),
        };
        // What a server does not have it may answer with a page, a redirect to one, or 401. One in trouble is not asked three times more.
        let is_in_trouble = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        if is_in_trouble || instead.is_none() {
            instead = Some(failure(&response).caused_by(problem));
        }
        if is_in_trouble {
            break;
        }
    }
    Err(instead.unwrap_or_else(|| Reason::PathUnknown.into()))
}

/// What an answer that holds no document says of the server.
fn failure(response: &Response<Bytes>) -> Refusal {
    let reason = match response.status() {
        StatusCode::SERVICE_UNAVAILABLE => Reason::ServerUnavailable,
        StatusCode::TOO_MANY_REQUESTS => Reason::ServerRateLimited,
        _ => return Reason::ServerBroken.into(),
    };
    let refusal = Refusal::from(reason);
    match discovery::wait(response) {
        Some(wait) => refusal.retry_after(wait),
        None => refusal,
    }
}

/// The issuer's document at a path that is none of its own: MCP clients try such paths, and some servers answer whatever comes after
/// `/.well-known/…`. None where the server has nothing there, or another issuer's.
pub async fn elsewhere(rulebook: &Rulebook, path: &str) -> Result<Option<Answer>, Refusal> {
    if rulebook.own_metadata.is_some() {
        return Ok(None);
    }
    let response = fetch(rulebook, path).await?;
    if response.status() != StatusCode::OK {
        return Ok(None);
    }
    match rulebook.rewriting.apply(response.body()) {
        Ok(rewritten) if rewritten.other_issuer.is_none() => answer(rulebook, &response, rewritten).map(Some),
        // Also what is no document at all: some servers show their first page for whatever they do not have.
        Ok(_) | Err(_) => Ok(None),
    }
}

async fn fetch(rulebook: &Rulebook, path: &str) -> Result<Response<Bytes>, Refusal> {
    let request =
        Request::get(path).extension(Purpose::DISCOVERY).header(ACCEPT, "application/json").body(Bytes::new());
    let request = request.map_err(|error| Refusal::from(Reason::Internal).caused_by(error))?;
    rulebook.transport.send(request, rulebook.limits).await.map_err(|error| {
        let reason = error.told(|_| Reason::ServerUnreachable, Reason::ServerTimedOut, |_| Reason::ServerBroken);
        Refusal::from(reason).caused_by(error)
    })
}

/// The rewritten document, and what is learned from the server's own.
fn answer(rulebook: &Rulebook, response: &Response<Bytes>, rewritten: Rewritten) -> Result<Answer, Refusal> {
    for path in rewritten.advertised_elsewhere {
        metrics().discovery_mismatch();
        if rulebook.closed_paths.close(&path) {
            tracing::error!(
                path,
                "the server advertises another registration endpoint: closed, it would lead round the gateway"
            );
        }
    }
    for (path, endpoint) in rewritten.client_endpoints {
        if rulebook.advertised_endpoints.add(&path, endpoint) {
            tracing::debug!(
                path,
                ?endpoint,
                "the server advertises an endpoint of clients: what is suspended is refused there"
            );
        }
    }
    if let Some(issuer) = rewritten.other_issuer {
        metrics().discovery_mismatch();
        let configured = &rulebook.rewriting.issuer;
        tracing::warn!(issuer, configured, "the server's metadata name another issuer: clients will refuse it");
    }
    let mut answer = json_answer(StatusCode::OK, &rewritten.members)?;
    for name in [CACHE_CONTROL, EXPIRES] {
        for value in response.headers().get_all(&name) {
            answer.headers.append(name.clone(), value.clone());
        }
    }
    Ok(answer)
}
