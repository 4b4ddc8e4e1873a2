//! The record of clients: one entry for each client that came through the gateway, and who may change it at this moment.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Map, Value};

use super::page::Page;
use super::registration::{MetadataDigest, RegistrantRecord, RegistrationId};
use super::{AuditEntry, StoreError, TokenHash};
use crate::clock::Timestamp;
use crate::lifecycle::{Action, Approval, AtTheServer, Lifecycle, State};

/// Something encrypted: the store cannot read it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// A client as it enters the record.
#[derive(Debug, Clone, PartialEq)]
pub struct NewClient {
    /// The server's `client_id`.
    pub client_id: String,
    /// Its first state.
    pub lifecycle: Lifecycle,
    /// What was registered, in the server's terms; never a secret.
    pub metadata: Map<String, Value>,
    /// The hash of the gateway's registration access token; none: nobody may manage it.
    pub access_token: Option<TokenHash>,
    /// What the gateway needs to manage it at the server.
    pub server_access: Option<Sealed>,
    /// The server has shown it; otherwise an operator says that it is there.
    pub is_confirmed: bool,
    /// What becomes of one that is in the record already.
    pub if_known: IfKnown,
}

/// When a client was seen at the server that nobody saw there.
pub const NEVER_CONFIRMED: Timestamp = Timestamp::from_unix_millis(0);

impl NewClient {
    /// When the server was seen to have it, if it enters now.
    pub(super) const fn confirmed_at(&self, now: Timestamp) -> Timestamp {
        if self.is_confirmed { now } else { NEVER_CONFIRMED }
    }
}

/// What becomes of a client that is to enter the record and is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfKnown {
    /// It is brought up to date: a server may answer a registration with a client that it has (RFC 7591 §3.2.1).
    Update,
    /// It stays as it is, and counts once.
    Leave,
}

/// A client in the record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClientRecord {
    /// The server's `client_id`.
    pub client_id: String,
    /// The registration that made it.
    pub registration: RegistrationId,
    /// The profile that admitted it.
    pub profile: String,
    /// Who asked.
    pub registrant: RegistrantRecord,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When the record was changed last, in what its readers see.
    pub updated_at: Timestamp,
    /// Grows with every change that whoever reads the record sees.
    pub version: i64,
    /// Where it is in its life.
    pub lifecycle: Lifecycle,
    /// `client_name`, for people.
    pub client_name: Option<String>,
    /// The redirect URIs in the client's own terms.
    pub redirect_uris: Vec<String>,
    /// `scope` as asked for.
    pub scope_requested: Option<String>,
    /// `scope` in force, in the client's own terms.
    pub scope_granted: String,
    /// Asked for, not granted now, grantable by approval.
    pub scope_withheld: String,
    /// Granted by an approval, above what a registration gets.
    pub scope_approved: String,
    /// What was registered, in the server's terms; never a secret.
    pub metadata: Map<String, Value>,
    /// Others who ask for the same get this client.
    #[serde(skip)]
    pub digest: Option<MetadataDigest>,
    /// The hash of the gateway's registration access token.
    #[serde(skip)]
    pub access_token: Option<TokenHash>,
    /// What the gateway needs to manage it at the server.
    #[serde(skip)]
    pub server_access: Option<Sealed>,
    /// A call about it was broken off, and the server's token is lost: only the server's administration can help.
    pub unmanageable: bool,
    /// When the server was last seen to have it; [never](NEVER_CONFIRMED): an operator says that it has.
    pub confirmed_at: Timestamp,
    /// When it was last seen to be used; none: never.
    pub last_used_at: Option<Timestamp>,
    /// The server does not have yet what the record says; none: it has.
    pub unsettled: Option<Unsettled>,
    /// The server has other members than the record, scopes among them: they go there as soon as the client may be used.
    pub members_behind: bool,
    /// Who approved it last, or granted it more.
    pub approved: Option<Action>,
    /// The first of two approvals, until there is the second.
    pub first_approval: Option<Approval>,
    /// The change its owner asked for and that waits for an approval: the members as they were admitted.
    pub asked: Option<Map<String, Value>>,
    /// The rules that what is registered violates and that only reported it; none: the rules admitted it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub let_through: Vec<String>,
}

impl ClientRecord {
    /// When somebody must look at it next: to settle it, or because nobody approved it in time.
    pub fn due_at(&self) -> Option<Timestamp> {
        due_at(&self.lifecycle, self.unsettled.as_ref())
    }

    /// Whether others who register the same get it, too.
    pub(super) const fn is_handed_out(&self) -> bool {
        matches!(self.lifecycle.state(), State::Pending | State::Active)
    }

    /// Whether it ought to be at the server, can be looked for there, and was not seen there after this moment.
    pub fn is_unconfirmed(&self, moment: Timestamp) -> bool {
        self.lifecycle.at_the_server() == AtTheServer::Enabled
            && self.server_access.is_some()
            && !self.unmanageable
            && self.confirmed_at <= moment
    }

    /// What a client that was registered at `now` begins with: the server has enabled it, and the record may say otherwise.
    pub(super) fn unsettled_at_first(lifecycle: &Lifecycle, now: Timestamp) -> Option<Unsettled> {
        (lifecycle.at_the_server() != AtTheServer::Enabled).then(|| Unsettled::since(now))
    }

    /// From `now` on the server is to be brought to what the record says.
    pub fn unsettle(&mut self, now: Timestamp) {
        let since = self.unsettled.take().map_or(now, |unsettled| unsettled.since);
        self.unsettled = Some(Unsettled { next_at: now, ..Unsettled::since(since) });
    }
}

pub(super) fn due_at(lifecycle: &Lifecycle, unsettled: Option<&Unsettled>) -> Option<Timestamp> {
    let ends = match lifecycle {
        Lifecycle::Pending { until, .. } => Some(*until),
        _ => None,
    };
    unsettled.map(|unsettled| unsettled.next_at).into_iter().chain(ends).min()
}

/// The record is ahead of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unsettled {
    /// Since when.
    pub since: Timestamp,
    /// When it is tried again.
    pub next_at: Timestamp,
    /// How often it was tried since the last decision.
    pub attempts: u32,
    /// Why it was not done the last time.
    pub last_error: Option<String>,
}

impl Unsettled {
    /// Not tried yet.
    pub(super) const fn since(now: Timestamp) -> Self {
        Self { since: now, next_at: now, attempts: 0, last_error: None }
    }
}

impl ClientRecord {
    /// Whether both say the same to whoever reads the record. What only the gateway needs (its access to the client, when the server
    /// was last seen to have it) may differ: an operator has not seen another version because of it.
    pub(super) fn reads_like(&self, other: &Self) -> bool {
        self.lifecycle == other.lifecycle
            && self.client_name == other.client_name
            && self.redirect_uris == other.redirect_uris
            && self.scope_requested == other.scope_requested
            && self.scope_granted == other.scope_granted
            && self.scope_withheld == other.scope_withheld
            && self.scope_approved == other.scope_approved
            && self.metadata == other.metadata
            && self.unmanageable == other.unmanageable
            && self.approved == other.approved
            && self.first_approval == other.first_approval
            && self.asked == other.asked
            && self.let_through == other.let_through
    }
}

/// Which clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientFilter {
    /// In this state.
    pub state: Option<State>,
    /// Of this profile.
    pub profile: Option<String>,
}

/// Who is at work on a client, and until when nobody else may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Names this piece of work among all of all processes.
    pub holder: String,
    /// How long it lasts at most: longer than a call to the server can take.
    pub lasts: Duration,
}

impl Turn {
    /// Whether somebody's turn that ends at `until` keeps this one from being taken at `now`. One that ends later than any turn can, by another
    /// replica's timeout as well, was taken while a clock was wrong, and would keep everybody off until that day.
    pub(super) fn must_wait(&self, until: Timestamp, now: Timestamp) -> bool {
        now < until && until <= self.latest_end(now)
    }

    /// The latest end that a turn can have which was taken by a clock that is right.
    pub(super) fn latest_end(&self, now: Timestamp) -> Timestamp {
        const CLOCKS_DIFFER: Duration = Duration::from_secs(60 * 60);
        now.after(self.lasts.saturating_mul(2)).after(CLOCKS_DIFFER)
    }
}

/// The end of a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnEnd {
    /// Who ends it: [`Turn::holder`].
    pub holder: String,
    /// What the client is now.
    pub client: ClientRecord,
    /// A call about it was broken off, and nobody has looked since: the next holder is told so.
    pub is_in_doubt: bool,
    /// What is recorded of what was done in the turn.
    pub entries: Vec<AuditEntry>,
}

impl TurnEnd {
    /// Nothing was broken off, and there is nothing to record.
    pub fn of(client: &ClientRecord, holder: &str) -> Self {
        Self { holder: holder.to_owned(), client: client.clone(), is_in_doubt: false, entries: Vec::new() }
    }
}

/// What [`Clients::take_turn`] answers.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnTaken {
    /// Nobody else works on it until [`Clients::end_turn`], or until the turn's time is over.
    Taken {
        /// The client as it is now.
        client: Box<ClientRecord>,
        /// The turn before did not end: its process died, perhaps in the middle of a call.
        interrupted: bool,
    },
    /// Somebody else is at work: ask again.
    Busy,
    /// There is no such client.
    Unknown,
}

/// The record of clients.
#[async_trait]
pub trait Clients: Send + Sync {
    /// The client of this id.
    async fn client(&self, client_id: &str) -> Result<Option<ClientRecord>, StoreError>;
    /// The client whose registration access token has this hash; the whole of it is compared in constant time.
    async fn client_by_access_token(&self, hash: TokenHash) -> Result<Option<ClientRecord>, StoreError>;
    /// The clients that fit, newest first.
    async fn clients(&self, filter: &ClientFilter, page: &Page) -> Result<Vec<ClientRecord>, StoreError>;
    /// How many there are, by profile and state.
    async fn count_clients(&self) -> Result<Vec<(String, State, u64)>, StoreError>;
    /// Begins a piece of work on a client: calls about one client are made one after the other, across all processes.
    async fn take_turn(&self, client_id: &str, turn: &Turn, now: Timestamp) -> Result<TurnTaken, StoreError>;
    /// Ends it, and writes what the client is now (its id, registration, profile, registrant and times of making and use stay).
    /// It is another version where whoever reads the record sees a difference.
    /// False when the turn was over already and another's: nothing was written.
    /// What is recorded of it is written in the same transaction, with what receivers of alerts are told.
    async fn end_turn(&self, end: TurnEnd, now: Timestamp) -> Result<bool, StoreError>;
    /// Lets others have their turn, and tells the next holder that this one was interrupted.
    async fn break_off_turn(&self, client_id: &str, holder: &str, now: Timestamp) -> Result<(), StoreError>;
    /// The clients that somebody must look at by `now` ([`ClientRecord::due_at`]), the longest due first, at most `limit`.
    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<String>, StoreError>;
    /// These clients were used, each at its moment and named once. The latest moment stays; an unknown client is nobody's.
    async fn note_uses(&self, uses: &[(String, Timestamp)]) -> Result<(), StoreError>;
}

#[cfg(test)]
pub(crate) mod by_hand {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    /// An active client of the profile `partners`, to which nothing has happened.
    pub(crate) fn client() -> ClientRecord {
        let at = Timestamp::from_unix_millis(0);
        ClientRecord {
            client_id: "c1".to_owned(),
            registration: RegistrationId("r1".to_owned()),
            profile: "partners".to_owned(),
            registrant: RegistrantRecord {
                key: "k".to_owned(),
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                certificate_thumbprint: None,
                certificate_subject: None,
                token_label: None,
                statement_issuer: None,
                software_id: None,
            },
            created_at: at,
            updated_at: at,
            version: 1,
            lifecycle: Lifecycle::Active,
            client_name: Some("Before".to_owned()),
            redirect_uris: vec!["https://app.example.com/before".to_owned()],
            scope_requested: None,
            scope_granted: "openid orders:write".to_owned(),
            scope_withheld: String::new(),
            scope_approved: String::new(),
            metadata: Map::new(),
            digest: None,
            access_token: None,
            server_access: None,
            unmanageable: false,
            confirmed_at: at,
            last_used_at: None,
            unsettled: None,
            members_behind: false,
            approved: None,
            first_approval: None,
            asked: None,
            let_through: Vec::new(),
        }
    }
}
