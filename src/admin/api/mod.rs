//! The admin API, `/v1/…`: one list of operations, from which the routes, the roles and the OpenAPI document are made.

mod asks_for;
mod audit;
mod bans;
mod client;
mod clients;
mod findings;
mod import;
mod keys;
mod lockdown;
mod openapi;
mod operation;
mod registrations;
mod request;
mod requests;
mod review;
mod tokens;
mod unused;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, Request, State};
use axum::middleware::{self, Next};
use axum::response::{self, IntoResponse as _};
use axum::routing::MethodRouter;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Method, Uri};

pub use audit::{AuditChain, AuditChainList, AuditRecordList};
pub use bans::{NewBan, Response, ResponseList};
pub use client::{Acted, Client, Registrant, Scopes, Unsettled};
pub use clients::{ClientList, Comment, Granting};
pub use findings::{Finding, FindingList, FindingSubject};
pub use import::{ExistingClient, ExistingClients, Import, ImportedClient, ImportedClients, ResultOfImport};
pub use keys::CurrentKey;
pub use lockdown::{Lockdown, NewLockdown};
pub use registrations::{Registration, RegistrationList, Resolve};
pub use request::MOST_LISTED;
pub(super) use request::{JsonObject, Query};
pub use requests::{KeptRequest, KeptRequestList};
pub use review::{NameAppearance, NameRun, Review, SimilarClient};
pub use tokens::{CreateToken, CreatedToken, Token, TokenList, check_profile};
pub use unused::{ExpiredClients, UnusedClient, UnusedClients};

use super::AdminInForce;
use super::caller::{Arrival, Caller};
use super::console;
use super::problem::{Kind, Problem};
use super::role::Role;
use crate::audit::{Actor, Event, Subject, event as audit_event};
use crate::intake::{Intake, Tools};
use operation::{Endpoint, Operation};

/// The largest body of a request, in bytes.
const LARGEST_BODY: usize = 16 * 1024;

/// So much of a path is recorded of whoever is not let in.
const LONGEST_PATH: usize = 200;

/// What the handlers work with.
pub(super) struct Api {
    pub(super) intake: Arc<Intake>,
    /// What a reload replaces as a whole.
    pub(super) in_force: Arc<ArcSwap<AdminInForce>>,
}

impl Api {
    fn tools(&self) -> &Tools {
        self.intake.tools()
    }

    /// Records an event that changes nothing in the store: it is on disk before anybody is answered.
    pub(in crate::admin) async fn record(&self, event: Event) -> Result<(), Problem> {
        let tools = self.tools();
        Ok(tools.audit.record(event, tools.clock.now()).await?)
    }

    /// Notes that somebody was not signed in to the console.
    pub(in crate::admin) fn note_not_signed_in(&self, reason: &'static str) {
        let tools = self.tools();
        let event = || {
            let nobody = Actor::Operator { name: "nobody".to_owned() };
            Event::new(audit_event::Kind::SignInRefused, nobody).about(Subject::console()).because(reason)
        };
        tools.audit.note(event, tools.clock.now());
    }

    /// Notes that somebody was not let in, or may not do this.
    fn note_refused(&self, caller: Option<&Caller>, path: &str, problem: &Problem) {
        let tools = self.tools();
        let name = caller.map_or_else(|| "nobody".to_owned(), |caller| caller.name.clone());
        let path: String = path.chars().take(LONGEST_PATH).collect();
        let event = || {
            let refused = audit_event::Kind::OperatorRefused;
            Event::new(refused, Actor::Operator { name }).about(Subject::Api(path)).because(problem.kind.name())
        };
        tools.audit.note(event, tools.clock.now());
    }

    async fn check_role(
        &self,
        role: Role,
        Extension(caller): Extension<Caller>,
        request: Request,
        next: Next,
    ) -> response::Response {
        if caller.role < role {
            let detail = format!("{} is {}, and this is for {}", caller.name, caller.role.as_str(), role.as_str());
            let problem = Problem::new(Kind::Forbidden, detail);
            self.note_refused(Some(&caller), request.uri().path(), &problem);
            return problem.into_response();
        }
        next.run(request).await
    }
}

/// Everything that can be asked.
fn operations() -> Vec<Operation> {
    let parts = [
        clients::operations(),
        review::operations(),
        unused::operations(),
        registrations::operations(),
        requests::operations(),
        findings::operations(),
        bans::operations(),
        lockdown::operations(),
        import::operations(),
        tokens::operations(),
        audit::operations(),
        keys::operations(),
    ];
    let mut operations: Vec<Operation> = parts.into_iter().flatten().collect();
    operations.push(openapi::operation());
    operations
}

/// The routes below `/v1`: whoever asks is identified first, also where there is no route.
pub(super) fn router(api: Arc<Api>) -> Router {
    let mut router = Router::new();
    for operation in operations() {
        let Endpoint { verb, path, role, .. } = operation.endpoint;
        let of_api = api.clone();
        let needs = middleware::from_fn(move |caller: Extension<Caller>, request: Request, next: Next| {
            let api = of_api.clone();
            async move { api.check_role(role, caller, request, next).await }
        });
        let method: MethodRouter<Arc<Api>> = (operation.handler)(verb.filter());
        router = router.route(path, method.layer(needs));
    }
    let nothing = async |uri: Uri| Problem::new(Kind::NotFound, format!("there is nothing at {}", uri.path()));
    let not_so = async |method: Method| {
        Problem::new(Kind::MethodNotAllowed, format!("{method} is not offered here; GET /v1/openapi.json says what is"))
    };
    router
        .route("/v1/{*anything}", axum::routing::any(nothing))
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(api.clone(), identify))
        .with_state(api)
}

/// Who asks is known before anything else is looked at; changes are told to the log with the name.
async fn identify(
    State(api): State<Arc<Api>>,
    Extension(arrival): Extension<Arrival>,
    mut request: Request,
    next: Next,
) -> response::Response {
    let in_force = api.in_force.load_full();
    let from_the_console = console::identify(&api, arrival, request.method(), request.headers());
    let found = match from_the_console {
        _ if arrival == Arrival::Network && !in_force.are_on_the_network() => {
            let detail =
                "the API is not served here: the configuration has neither admin.tokens nor admin.sign_in.openid";
            Err(Problem::new(Kind::NotFound, detail))
        }
        Some(found) => found,
        None => in_force.operators.identify(arrival, request.headers()),
    };
    let mut response = match found {
        Err(problem) => {
            let path = request.uri().path().to_owned();
            api.note_refused(None, &path, &problem);
            problem.into_response()
        }
        Ok(caller) => {
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let actor = caller.name.clone();
            request.extensions_mut().insert(caller);
            let response = next.run(request).await;
            if method != Method::GET && method != Method::HEAD {
                tracing::info!(actor, %method, path, status = response.status().as_u16(), "admin API");
            }
            response
        }
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
