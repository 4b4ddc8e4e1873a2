//! An event: what happened, who did it, to what, by which rules, why, and in which request. There is no member in which a token, a
//! secret or a body would fit; what a registrant wrote freely stays out.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use super::kind::Kind;
use crate::clock::Timestamp;
use crate::store::{AuditEntry, IssuedToken, StoreError};

/// The most entries of a list in an event.
const LONGEST_LIST: usize = 32;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// Who asked to register.
    Registrant {
        /// The rightmost hop that is not a trusted proxy.
        address: IpAddr,
        /// SHA-256 of the verified client certificate.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<String>,
        /// Names the initial access token, or its holder and issuer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// Who vouches for the software.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        statement_issuer: Option<String>,
    },
    /// A client, with its registration access token; the subject names it once the token was found to be good.
    Client {
        /// The rightmost hop that is not a trusted proxy.
        address: IpAddr,
    },
    /// Somebody at the admin API or the command line.
    Operator {
        /// The name in the configuration, or the user's on this machine.
        name: String,
    },
    /// The gateway by itself.
    Gateway,
}

/// What it was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Subject {
    /// A client, by its `client_id`.
    Client(String),
    /// A registration in the record.
    Registration(String),
    /// An initial access token, by its name.
    Token(String),
    /// A configuration, by the SHA-256 of the file.
    Configuration(String),
    /// A key, by its name.
    Key(String),
    /// A process, by the name of its chain.
    Process(String),
    /// A response, by its name.
    Response(String),
    /// A receiver of alerts, by its name in the configuration.
    Receiver(String),
    /// The admin API, by the path that was asked for.
    Api(String),
}

/// What a response does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Responded {
    /// What is done: `ban_address`, `lockdown`, …
    pub action: String,
    /// To whom; empty where it is to everybody.
    pub on: String,
    /// It is only told what would be done.
    pub dry_run: bool,
    /// From this moment on it is over, in milliseconds since the epoch.
    pub until: Timestamp,
    /// The finding that called for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
}

/// What an initial access token is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenTerms {
    /// For how many registrations.
    pub uses: u32,
    /// Until when, in milliseconds since the epoch.
    pub until: Timestamp,
    /// What an operator called it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// SHA-256 of the client certificate that it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

impl Subject {
    /// The console's sessions.
    pub fn console() -> Self {
        Self::Api("/console/session".to_owned())
    }
}

/// What an operator decided about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decided {
    /// The client itself.
    Client,
    /// The first of two approvals of the client itself, or of scopes: nothing is granted yet.
    ClientFirstOfTwo,
    /// A change that the client asked for.
    Change,
    /// The first of two approvals of such a change: nothing is changed yet.
    ChangeFirstOfTwo,
}

/// What receivers of alerts are told beside an event, and the record does not hold: what a registrant wrote freely, and who must decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aside {
    /// `client_name`.
    pub client_name: Option<String>,
    /// What now waits for somebody.
    pub waits: Option<Waits>,
    /// It is not what was waited with before: whoever was told of that is told again.
    pub is_another: bool,
}

/// What waits for an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// The client.
    Registration {
        /// Until then; afterwards it expires.
        until: Timestamp,
    },
    /// A change that the client asked for.
    Growth,
    /// The first of two approvals is given.
    SecondApproval,
}

/// One event. What is not known is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub event: Kind,
    /// Who did it.
    pub actor: Actor,
    /// What it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// The profile that applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Names the rules in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<String>,
    /// The stable name of the reason (`docs/errors.md`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The trace that has more about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Names the request in logs and in `X-Request-Id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// SHA-256 of the request's body as it was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_digest: Option<String>,
    /// The registration in the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<String>,
    /// What an operator decided about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
    /// Scopes that were granted; by an operator: by this decision. Of the first of two approvals: that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_granted: Option<String>,
    /// Scopes that were withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_withheld: Option<String>,
    /// What the token that it is about is good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenTerms>,
    /// What a client asked for that it did not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<String>,
    /// Rules that were violated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<String>,
    /// Hosts of the redirect URIs; the scheme of those without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_uri_hosts: Vec<String>,
    /// What a response does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Responded>,
    /// The response that a request was refused by, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_by: Option<String>,
    /// What an operator said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// How many this event stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// When the first of them was, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What kind of events were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Kind>,
    /// The key that the heads of this chain are signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<String>,
    /// What the record does not hold.
    #[serde(skip)]
    pub aside: Aside,
}

impl Event {
    /// Nothing is known but what happened, and who did it.
    pub fn new(event: Kind, actor: Actor) -> Self {
        Self {
            event,
            actor,
            subject: None,
            profile: None,
            policy_version: None,
            reason: None,
            trace_id: None,
            request_id: None,
            request_digest: None,
            registration: None,
            decided: None,
            scope_granted: None,
            scope_withheld: None,
            token: None,
            growth: None,
            violations: Vec::new(),
            redirect_uri_hosts: Vec::new(),
            response: None,
            refused_by: None,
            comment: None,
            count: None,
            since: None,
            counted: None,
            signing_key: None,
            aside: Aside::default(),
        }
    }

    /// The same, about this.
    #[must_use]
    pub fn about(self, subject: Subject) -> Self {
        Self { subject: Some(subject), ..self }
    }

    /// The same, about this token.
    #[must_use]
    pub fn of_token(self, token: &IssuedToken) -> Self {
        let terms = TokenTerms {
            uses: token.max_uses,
            until: token.expires_at,
            label: token.label.clone(),
            certificate: token.certificate_thumbprint.clone(),
        };
        let subject = Some(Subject::Token(token.id.0.clone()));
        Self { subject, profile: Some(token.profile.clone()), token: Some(terms), ..self }
    }

    /// The same, for this reason.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// As it is recorded. The members stand in the order of this type: the text is the same wherever it is written.
    ///
    /// # Errors
    /// It cannot be written, which no event is known to do.
    pub fn at(mut self, at: Timestamp) -> Result<AuditEntry, StoreError> {
        self.violations.truncate(LONGEST_LIST);
        self.redirect_uri_hosts.truncate(LONGEST_LIST);
        let event = serde_json::to_string(&self).map_err(|error| StoreError(error.into()))?;
        Ok(AuditEntry { at, event, told: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_as_it_is_written_and_leaves_out_what_is_not_known() {
        let actor = Actor::Registrant {
            address: "192.0.2.7".parse().unwrap(),
            certificate: None,
            token: Some("1f".to_owned()),
            statement_issuer: None,
        };
        let event = Event::new(Kind::RegistrationRefused, actor).because("rules_violated");
        let entry = event.clone().at(Timestamp::from_unix_millis(7)).unwrap();
        let text = r#"{"event":"registration_refused","actor":{"kind":"registrant","address":"192.0.2.7","token":"1f"},"reason":"rules_violated"}"#;
        assert_eq!(entry.event, text);
        assert_eq!(serde_json::from_str::<Event>(text).unwrap(), event);
    }
}
