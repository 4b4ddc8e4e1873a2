//! `/v1/lockdown`: registration as a whole, closed and opened again.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, State};
use axum::routing::on;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::bans::{Response, lasts};
use super::clients::Comment;
use super::operation::{Body, Endpoint, Operation, Success, Verb, shape};
use super::request::{JsonObject, Query, check_text};
use crate::admin::caller::Caller;
use crate::admin::problem::Problem;
use crate::admin::role::Role;
use crate::duration::DurationText;
use crate::intake::not_done::NotDone;
use crate::intake::response::Ordered;
use crate::store::{ResponseAction, ResponseRecord};

/// Whether clients are registered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Lockdown {
    /// Nobody registers, and no client changes.
    pub locked_down: bool,
    /// By what.
    pub response: Option<Response>,
}

/// A lockdown that is wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLockdown {
    /// How long: `30m`, `1h`, `7d`; 1h unless it is said. Once more prolongs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#for: Option<DurationText>,
    /// For those who come after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

pub(super) fn operations() -> Vec<Operation> {
    let get = Operation::at(
        Endpoint::reading("getLockdown", "/v1/lockdown"),
        "Whether registration is locked down",
        Success::Shown(shape::<Lockdown>()),
        |verb| on(verb, get),
    );
    let summary =
        "Locks registration down, in all replicas: nobody registers, no client changes; everything else goes on";
    let put = Operation::at(
        Endpoint::changing("lockDown", Verb::Put, "/v1/lockdown", Role::Approver),
        summary,
        Success::Shown(shape::<Lockdown>()),
        |verb| on(verb, put),
    );
    let delete = Operation::at(
        Endpoint::changing("liftLockdown", Verb::Delete, "/v1/lockdown", Role::Approver),
        "Opens registration again",
        Success::Shown(shape::<Lockdown>()),
        |verb| on(verb, delete),
    );
    vec![get, put.with_body(Body::Optional(shape::<NewLockdown>())), delete.with_query(shape::<Comment>())]
}

async fn get(State(api): State<Arc<Api>>) -> Result<Json<Lockdown>, Problem> {
    let in_force = api.intake.responses_in_force().await?;
    Ok(Json(shown(&api, in_force.into_iter().find(is_lockdown))))
}

async fn put(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    body: Option<JsonObject<NewLockdown>>,
) -> Result<Json<Lockdown>, Problem> {
    let NewLockdown { r#for, comment } = body.map(|JsonObject(wanted)| wanted).unwrap_or_default();
    let lasts = lasts(r#for, DurationText(Duration::from_secs(60 * 60)))?;
    check_text("comment", comment.as_deref())?;
    let (action, subject) = (ResponseAction::Lockdown, String::new());
    let record = api.intake.impose(Ordered { action, subject, lasts, actor: caller.name, comment }).await?;
    Ok(Json(shown(&api, Some(record))))
}

/// What is open stays open.
async fn delete(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    query: Query<Comment>,
) -> Result<Json<Lockdown>, Problem> {
    let Comment { comment } = query.0?;
    check_text("comment", comment.as_deref())?;
    for lockdown in api.intake.responses_in_force().await?.into_iter().filter(is_lockdown) {
        match api.intake.lift(&lockdown.id, &caller.name, comment.clone()).await {
            // Somebody else was quicker.
            Ok(_) | Err(NotDone::ResponseOver(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(shown(&api, None)))
}

fn is_lockdown(response: &ResponseRecord) -> bool {
    response.action == ResponseAction::Lockdown && !response.dry_run
}

fn shown(api: &Api, lockdown: Option<ResponseRecord>) -> Lockdown {
    let response = lockdown.map(|record| Response::of(record, api.tools().clock.now()));
    Lockdown { locked_down: response.is_some(), response }
}
