//! `/v1/bans`: what is done about somebody, by a detector's finding or an operator's order: seen, ordered, lifted.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, State};
use axum::routing::on;
use http::StatusCode;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::clients::Comment;
use super::operation::{Body, Endpoint, Operation, Success, Verb, shape};
use super::request::{After, Id, JsonObject, Limit, Query, check_text, cut, page};
use crate::admin::caller::Caller;
use crate::admin::problem::{Kind, Problem};
use crate::admin::role::Role;
use crate::anomaly::response::network_of;
use crate::clock::Timestamp;
use crate::duration::DurationText;
use crate::intake::response::Ordered;
use crate::policy::matching::canonical;
use crate::registrant::initial_access_token::{self, CertificateThumbprint};
use crate::store::{Cursor, IssuedToken, ResponseAction, ResponseFilter, ResponseRecord, Store};

/// The longest that an operator's order lasts.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The widest networks that are banned: more is a lockdown.
const WIDEST: (u8, u8) = (8, 19);

/// Something that is done about somebody.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Response {
    /// Its name.
    pub id: String,
    /// What is done.
    pub action: ResponseAction,
    /// To whom: a network, the SHA-256 of a client certificate, the name of a token, of a profile, a `client_id`; empty for a lockdown.
    pub subject: String,
    /// `in_force`, `expired` or `lifted`.
    pub state: String,
    /// It is only told what would be done: nothing is.
    pub dry_run: bool,
    /// What the rate is divided by, where a throttle is tightened.
    pub factor: Option<u32>,
    /// The detector, or the operator.
    pub author: String,
    /// The finding that called for it (`/v1/findings`); none: an operator ordered it.
    pub finding: Option<String>,
    /// What was found, or the operator's comment.
    pub reason: Option<String>,
    /// When it began (RFC 3339).
    pub created_at: String,
    /// From this moment on it is over.
    pub expires_at: String,
    /// When it ended.
    pub ended_at: Option<String>,
    /// The operator who lifted it.
    pub ended_by: Option<String>,
}

/// A page of responses, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ResponseList {
    /// The responses.
    pub bans: Vec<Response>,
    /// The `cursor` of the next page; none: this was the last.
    pub next: Option<String>,
}

/// A ban that is wanted: of one of the three.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBan {
    /// A network in CIDR notation, or an address: of IPv6 its /64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The SHA-256 of a client certificate, in hexadecimal, colons or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// An initial access token: its id, or the label that it alone has; of another issuer's, the name that logs and findings give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// How long: `30m`, `1h`, `7d`; 1d unless it is said. The same again prolongs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#for: Option<DurationText>,
    /// For those who come after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Which responses are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Those in force.
    #[default]
    InForce,
    /// Those of the last 90 days too.
    All,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// `in_force`, or `all`: also those that ended within 90 days. Those in force unless it is said.
    which: Option<Which>,
    /// `next` of the page before.
    cursor: Option<After>,
    /// How many, at most; 50 unless it is said.
    limit: Option<Limit>,
}

impl Response {
    pub(super) fn of(record: ResponseRecord, now: Timestamp) -> Self {
        let state = match &record.ended {
            Some(ending) if ending.by.is_some() => "lifted",
            Some(_) => "expired",
            None if record.is_in_force(now) => "in_force",
            None => "expired",
        };
        Self {
            id: record.id,
            action: record.action,
            subject: record.subject,
            state: state.to_owned(),
            dry_run: record.dry_run,
            factor: (record.action == ResponseAction::TightenThrottle).then_some(record.factor),
            author: record.author,
            finding: record.finding,
            reason: record.reason,
            created_at: record.created_at.to_string(),
            expires_at: record.expires_at.to_string(),
            ended_at: record.ended.as_ref().map(|ending| ending.at.to_string()),
            ended_by: record.ended.and_then(|ending| ending.by),
        }
    }
}

pub(super) fn operations() -> Vec<Operation> {
    let list = Operation::at(
        Endpoint::reading("listBans", "/v1/bans"),
        "What is done about findings, or by an operator's order: bans and all other responses, newest first",
        Success::Shown(shape::<ResponseList>()),
        |verb| on(verb, list),
    );
    let add = Operation::at(
        Endpoint::changing("addBan", Verb::Post, "/v1/bans", Role::Approver),
        "Bans an address, a client certificate or an initial access token, in all replicas",
        Success::Created(shape::<Response>()),
        |verb| on(verb, add),
    );
    let lift = Operation::at(
        Endpoint::changing("liftBan", Verb::Delete, "/v1/bans/{id}", Role::Approver),
        "Lifts a ban, or another response, and undoes what it did",
        Success::Shown(shape::<Response>()),
        |verb| on(verb, lift),
    );
    vec![
        list.with_query(shape::<Filter>()),
        add.with_body(Body::Required(shape::<NewBan>())),
        lift.with_query(shape::<Comment>()),
    ]
}

async fn list(State(api): State<Arc<Api>>, query: Query<Filter>) -> Result<Json<ResponseList>, Problem> {
    let Filter { which, cursor, limit } = query.0?;
    let (shown, page) = page(limit, cursor);
    let tools = api.tools();
    let filter = ResponseFilter { only_in_force: which.unwrap_or_default() == Which::InForce };
    let mut records = tools.store.responses(filter, &page).await?;
    let next = cut(&mut records, shown, |record| Cursor { at: record.created_at, id: record.id.clone() });
    let now = tools.clock.now();
    // Those whose time is over this moment, and that nobody has ended yet.
    records.retain(|record| !filter.only_in_force || record.is_in_force(now));
    Ok(Json(ResponseList { bans: records.into_iter().map(|record| Response::of(record, now)).collect(), next }))
}

async fn add(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    JsonObject(wanted): JsonObject<NewBan>,
) -> Result<(StatusCode, Json<Response>), Problem> {
    let (action, mut subject) = meant(&wanted)?;
    if action == ResponseAction::BanToken {
        subject = token_name(api.tools().store.as_ref(), subject).await?;
    }
    let lasts = lasts(wanted.r#for, DurationText(Duration::from_secs(24 * 60 * 60)))?;
    check_text("comment", wanted.comment.as_deref())?;
    let ordered = Ordered { action, subject, lasts, actor: caller.name, comment: wanted.comment };
    let record = api.intake.impose(ordered).await?;
    Ok((StatusCode::CREATED, Json(Response::of(record, api.tools().clock.now()))))
}

async fn lift(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    query: Query<Comment>,
) -> Result<Json<Response>, Problem> {
    let Comment { comment } = query.0?;
    check_text("comment", comment.as_deref())?;
    let record = api.intake.lift(&id, &caller.name, comment).await?;
    Ok(Json(Response::of(record, api.tools().clock.now())))
}

/// How long an order lasts.
pub(super) fn lasts(written: Option<DurationText>, otherwise: DurationText) -> Result<Duration, Problem> {
    let lasts = written.unwrap_or(otherwise).0;
    if lasts.is_zero() || lasts > LONGEST {
        return Err(Problem::new(Kind::RequestInvalid, "for: write a time above 0, up to 366d"));
    }
    Ok(lasts)
}

fn meant(wanted: &NewBan) -> Result<(ResponseAction, String), Problem> {
    let invalid = |detail: String| Problem::new(Kind::RequestInvalid, detail);
    match (&wanted.address, &wanted.certificate, &wanted.token) {
        (Some(address), None, None) => {
            let network = network(address).map_err(|error| invalid(format!("address: {error}")))?;
            Ok((ResponseAction::BanAddress, network.to_string()))
        }
        (None, Some(certificate), None) => {
            let thumbprint: CertificateThumbprint =
                certificate.parse().map_err(|error| invalid(format!("certificate: {error}")))?;
            Ok((ResponseAction::BanCertificate, thumbprint.as_str().to_owned()))
        }
        (None, None, Some(token)) if !token.is_empty() => {
            check_text("token", Some(token))?;
            Ok((ResponseAction::BanToken, token.clone()))
        }
        _ => Err(invalid("write one of address, certificate and token".to_owned())),
    }
}

/// The name by which a token is known where it is presented: the id of one that the gateway issued; its label is taken for it while no other
/// token has the same. One of another issuer has no record: "… of ISSUER", as logs and findings call it. The token itself is not repeated.
async fn token_name(store: &dyn Store, written: String) -> Result<String, Problem> {
    let invalid = |detail: &'static str| Problem::new(Kind::RequestInvalid, detail);
    if written.starts_with(initial_access_token::PREFIX) {
        return Err(invalid("token: this is the token itself; write its id, as `tokens list` shows it"));
    }
    let tokens = store.all_tokens().await?;
    let is_named = |token: &&IssuedToken| token.id.0 == written || token.label.as_ref() == Some(&written);
    let named: Vec<&IssuedToken> = tokens.iter().filter(is_named).collect();
    match named.as_slice() {
        [token] => Ok(token.id.0.clone()),
        [] if written.contains(" of ") => Ok(written),
        [] => Err(invalid("token: there is none with this id or label; `tokens list` shows them")),
        _ => Err(invalid("token: several have this label; write the id of one")),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(network_of(address));
    }
    let network = text.parse().map(canonical).map_err(|_| {
        format!("{text:?} is neither an address nor a network in CIDR notation, like 192.0.2.0/24 or 2001:db8::/48")
    })?;
    let widest = if network.addr().is_ipv4() { WIDEST.0 } else { WIDEST.1 };
    if network.prefix_len() < widest {
        return Err(format!("{network} is too wide to be banned (at most /{widest}): lock registration down instead"));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(yaml: &str) -> Result<String, u16> {
        let wanted: NewBan = serde_yaml::from_str(yaml).unwrap();
        let meant = meant(&wanted).map_err(|problem| problem.kind.status().as_u16());
        meant.map(|(action, subject)| format!("{} {subject}", action.as_str()))
    }

    #[test]
    fn a_ban_is_of_one_thing_in_one_form() {
        for (written, meant) in [
            ("address: 192.0.2.7", "ban_address 192.0.2.7/32"),
            ("address: 192.0.2.7/24", "ban_address 192.0.2.0/24"),
            ("address: '2001:db8:1:2::3'", "ban_address 2001:db8:1:2::/64"),
            ("address: '2001:db8:1:2::3/128'", "ban_address 2001:db8:1:2::3/128"),
            ("address: '::ffff:192.0.2.7/120'", "ban_address 192.0.2.0/24"),
            ("token: ci", "ban_token ci"),
        ] {
            assert_eq!(ban(written).as_deref(), Ok(meant));
        }
        let thumbprint = "AB:".repeat(31) + "AB";
        assert_eq!(ban(&format!("certificate: '{thumbprint}'")), Ok(format!("ban_certificate {}", "ab".repeat(32))));
    }

    #[test]
    fn what_is_none_of_the_three_or_too_wide_is_refused() {
        for wrong in [
            "{}",
            "{ address: 192.0.2.7, token: ci }",
            "address: here",
            "address: 0.0.0.0/0",
            "address: '::/3'",
            "address: '::ffff:0.0.0.0/97'",
            "certificate: ab",
            "token: ''",
        ] {
            assert_eq!(ban(wrong), Err(400), "{wrong}");
        }
    }

    #[test]
    fn an_order_lasts_for_some_time_and_not_for_ever() {
        let hour = DurationText(Duration::from_secs(3_600));
        assert_eq!(lasts(None, hour).ok(), Some(hour.0));
        for wrong in ["0s", "367d"] {
            assert!(lasts(Some(wrong.parse().unwrap()), hour).is_err(), "{wrong}");
        }
    }
}
