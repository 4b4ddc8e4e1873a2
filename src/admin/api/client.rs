//! A client as the admin API shows it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::asks_for::asks_for;
use crate::lifecycle::{Action, Lifecycle, State as LifecycleState};
use crate::registrant::software_statement::vouched_for;
use crate::registration::software_statement::MEMBER;
use crate::registration::{ScopeSet, json};
use crate::store::{self, ClientRecord, RegistrantRecord};

/// A client in the record. Holds no secret, no token and no hash of one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Client {
    /// Its `client_id` at the authorization server.
    pub client_id: String,
    /// Where it is in its life.
    pub state: LifecycleState,
    /// Who brought it into this state: an operator's name, `client` for its owner, `gateway` for the gateway itself.
    pub changed_by: Option<String>,
    /// When that was.
    pub changed_at: Option<String>,
    /// Why.
    pub comment: Option<String>,
    /// A pending client is removed at this moment, unless it is approved.
    pub pending_until: Option<String>,
    /// Of one that is suspended and was pending: how many seconds it will wait for an approval once it is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_seconds_left: Option<u64>,
    /// `client_name`.
    pub client_name: Option<String>,
    /// The profile that admitted it.
    pub profile: String,
    /// The redirect URIs in its own terms.
    pub redirect_uris: Vec<String>,
    /// Its scopes.
    pub scopes: Scopes,
    /// Who asked for it.
    pub registrant: Registrant,
    /// The registration that made it.
    pub registration: String,
    /// When it was registered (RFC 3339).
    pub created_at: String,
    /// When the record was changed last.
    pub updated_at: String,
    /// When the authorization server was last seen to have it; none: never, an operator said so.
    pub confirmed_at: Option<String>,
    /// When it was last seen to be used.
    pub last_used_at: Option<String>,
    /// The version of the record, as in the `ETag`.
    pub version: i64,
    /// Its owner has a registration access token of the gateway's.
    pub has_access_token: bool,
    /// The authorization server's token for it is lost.
    pub unmanageable: bool,
    /// Who approved it last, or granted it more, when and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Acted>,
    /// The first of two approvals: somebody else's is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_approval: Option<Acted>,
    /// What an approval would give it, or take from it, a text for each member: `scope + orders`, `redirect_uris + https://… - https://…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks_for: Vec<String>,
    /// The change its owner asked for and that waits for an approval (or is on its way to the server): the members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Map<String, Value>>,
    /// What was decided and the authorization server does not have yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<Unsettled>,
    /// The rules that what is registered violates: they only reported it (`docs/report-only.md`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub let_through: Vec<String>,
    /// All that was registered, in the authorization server's terms; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// What somebody did.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Acted {
    /// Who.
    pub actor: String,
    /// When.
    pub at: String,
    /// Why.
    pub comment: Option<String>,
    /// The scopes that it is about, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<String>,
}

impl From<Action> for Acted {
    fn from(action: Action) -> Self {
        Self { actor: action.actor, at: action.at.to_string(), comment: action.comment, scopes: None }
    }
}

/// The authorization server could not be brought to what was decided; it is tried again until it is. The gateway itself heeds the
/// decision from the first moment.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Unsettled {
    /// Since when.
    pub since: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried again.
    pub next_at: String,
    /// Why it was not done the last time.
    pub last_error: Option<String>,
}

/// The scopes of a client or a registration, each list separated by spaces.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Scopes {
    /// As asked for.
    pub requested: Option<String>,
    /// In force.
    pub granted: String,
    /// Asked for, and grantable by an approval.
    pub withheld: String,
    /// Granted by an approval.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub approved: String,
    /// What the authorization server gave beyond those in force, by what it said last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub added: String,
}

/// Who asked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Registrant {
    /// Whom quotas count it for.
    pub key: String,
    /// The address it came from.
    pub address: String,
    /// The subject of its verified certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_subject: Option<String>,
    /// The thumbprint of its verified certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_thumbprint: Option<String>,
    /// What the verified token is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_label: Option<String>,
    /// Who issued the verified software statement that is registered, or was when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_issuer: Option<String>,
    /// `software_id` of the verified software statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
}

impl From<ClientRecord> for Client {
    fn from(record: ClientRecord) -> Self {
        let (by, at, pending_until) = match &record.lifecycle {
            Lifecycle::Pending { until, .. } => (None, None, Some(*until)),
            Lifecycle::Active => (None, None, None),
            Lifecycle::Suspended { by, .. } => (Some(by), None, None),
            Lifecycle::Rejected { by } | Lifecycle::Deleted { by } => (Some(by), None, None),
            Lifecycle::Expired { at } => (None, Some(*at), None),
        };
        let acted = |read: fn(&Action) -> Option<String>| by.and_then(read);
        let mut registrant = Registrant::from(record.registrant.clone());
        if let Some((issuer, software_id)) = vouched_for(&record.metadata) {
            (registrant.statement_issuer, registrant.software_id) = (Some(issuer), software_id);
        }
        Self {
            asks_for: asks_for(&record),
            pending_seconds_left: record.lifecycle.left().map(|left| left.as_secs()),
            state: record.lifecycle.state(),
            changed_by: acted(|by| Some(by.actor.clone())),
            changed_at: by.map(|by| by.at).or(at).map(|at| at.to_string()),
            comment: acted(|by| by.comment.clone()),
            pending_until: pending_until.map(|until| until.to_string()),
            scopes: Scopes {
                added: added(&record),
                requested: record.scope_requested,
                granted: record.scope_granted,
                withheld: record.scope_withheld,
                approved: record.scope_approved,
            },
            registrant,
            registration: record.registration.0,
            created_at: record.created_at.to_string(),
            updated_at: record.updated_at.to_string(),
            confirmed_at: Some(record.confirmed_at).filter(|at| *at != store::NEVER_CONFIRMED).map(|at| at.to_string()),
            last_used_at: record.last_used_at.map(|at| at.to_string()),
            version: record.version,
            has_access_token: record.access_token.is_some(),
            unmanageable: record.unmanageable,
            approved: record.approved.map(Acted::from),
            first_approval: record
                .first_approval
                .map(|first| Acted { scopes: Some(first.scopes), ..Acted::from(first.by) }),
            asked: record.asked,
            unsettled: record.unsettled.map(Unsettled::from),
            let_through: record.let_through,
            metadata: Some(without_signature(record.metadata)),
            client_id: record.client_id,
            client_name: record.client_name,
            profile: record.profile,
            redirect_uris: record.redirect_uris,
        }
    }
}

/// Where none is in force, it is the server's to choose.
fn added(record: &ClientRecord) -> String {
    let granted = ScopeSet::recorded(&record.scope_granted);
    let told = json::text_of(&record.metadata, "scope").filter(|_| !granted.is_empty());
    told.map(|told| ScopeSet::recorded(told).without(&granted).to_string()).unwrap_or_default()
}

/// Who reads a software statement here could present it: it is shown without what signs it.
fn without_signature(mut metadata: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::String(statement)) = metadata.get_mut(MEMBER)
        && let Some((signed, _)) = statement.rsplit_once('.')
    {
        *statement = format!("{signed}.");
    }
    metadata
}

impl From<store::Unsettled> for Unsettled {
    fn from(unsettled: store::Unsettled) -> Self {
        Self {
            since: unsettled.since.to_string(),
            attempts: unsettled.attempts,
            next_at: unsettled.next_at.to_string(),
            last_error: unsettled.last_error,
        }
    }
}

impl From<RegistrantRecord> for Registrant {
    fn from(record: RegistrantRecord) -> Self {
        Self {
            key: record.key,
            address: record.address.to_string(),
            certificate_subject: record.certificate_subject,
            certificate_thumbprint: record.certificate_thumbprint,
            token_label: record.token_label,
            statement_issuer: record.statement_issuer,
            software_id: record.software_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_statement_is_shown_without_its_signature() {
        let shown =
            |statement: Value| without_signature(Map::from_iter([(MEMBER.to_owned(), statement)]))[MEMBER].clone();
        assert_eq!(shown(json!("header.claims.signature")), "header.claims.");
        assert_eq!(shown(json!("none")), "none");
    }

    #[test]
    fn a_client_is_shown_with_the_software_that_it_became_by_a_change() {
        let mut record = crate::store::client::by_hand::client();
        let vouched_for = |record: &ClientRecord| {
            let Registrant { statement_issuer, software_id, .. } = Client::from(record.clone()).registrant;
            (statement_issuer, software_id)
        };
        let text = |text: &str| Some(text.to_owned());
        record.registrant.statement_issuer = text("https://directory.example");
        record.registrant.software_id = text("s1");
        assert_eq!(vouched_for(&record), (text("https://directory.example"), text("s1")));
        // {"iss":"https://other.example","software_id":"s2"}
        let statement = "e30.eyJpc3MiOiJodHRwczovL290aGVyLmV4YW1wbGUiLCJzb2Z0d2FyZV9pZCI6InMyIn0.x";
        record.metadata.insert(MEMBER.to_owned(), statement.into());
        assert_eq!(vouched_for(&record), (text("https://other.example"), text("s2")));
    }
}
