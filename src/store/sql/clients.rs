//! The record of clients: the statements.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use subtle::ConstantTimeEq as _;

use super::change::{Applied, Done, Other, What};
use super::client_row::{RECORD, TABLES, record, stored};
use super::finish::Entering;
use super::json_column::written;
use super::list::List;
use super::rows::{Batch, Found, Rows, Value};
use super::{SqlStore, client_row, quotas};
use crate::clock::Timestamp;
use crate::lifecycle::{Lifecycle, State};
use crate::store::client::due_at;
use crate::store::{
    ClientFilter, ClientRecord, Clients, IfKnown, MetadataDigest, Page, Recording, RegistrationId, StoreError,
    TokenHash, Turn, TurnEnd, TurnTaken,
};

/// How many uses are written as one change.
const USES_AT_ONCE: usize = 256;

#[async_trait]
impl Clients for SqlStore {
    async fn client(&self, client_id: &str) -> Result<Option<ClientRecord>, StoreError> {
        let list = List::of(TABLES, RECORD).with("c.client_id", Some(client_id));
        self.read(async |reader| list.one(reader).await?.as_ref().map(record).transpose()).await
    }

    async fn client_by_access_token(&self, hash: TokenHash) -> Result<Option<ClientRecord>, StoreError> {
        let list = List::of(TABLES, RECORD).with("c.access_token", Some(hash.0));
        let found = self.read(async |reader| list.one(reader).await?.as_ref().map(record).transpose()).await?;
        Ok(found.filter(|client| client.access_token.is_some_and(|known| bool::from(known.0.ct_eq(&hash.0)))))
    }

    async fn clients(&self, filter: &ClientFilter, page: &Page) -> Result<Vec<ClientRecord>, StoreError> {
        let list = List::of(TABLES, RECORD)
            .with("c.state", filter.state.map(State::as_str))
            .with("c.profile", filter.profile.as_deref())
            .page("c.created_at", "c.client_id", page);
        self.read(async |reader| list.all(reader).await?.iter().map(record).collect()).await
    }

    async fn count_clients(&self) -> Result<Vec<(String, State, u64)>, StoreError> {
        let query = sqlx::query("SELECT profile, state, COUNT(*) FROM clients GROUP BY profile, state ORDER BY 1, 2");
        let count = |row: &AnyRow| {
            let state: Result<State, String> = row.try_get::<&str, _>(1)?.parse();
            let count = u64::try_from(row.try_get::<i64, _>(2)?).unwrap_or(0);
            Ok::<_, sqlx::Error>((row.try_get(0)?, state.map_err(|text| sqlx::Error::Decode(text.into()))?, count))
        };
        self.read(async |reader| query.fetch_all(reader).await?.iter().map(count).collect()).await
    }

    async fn take_turn(&self, client_id: &str, turn: &Turn, now: Timestamp) -> Result<TurnTaken, StoreError> {
        let change = Other::TakeTurn { client_id: client_id.to_owned(), turn: turn.clone(), now };
        match self.write(change).await? {
            Done::Turn(taken) => Ok(taken),
            other => Err(other.unexpected()),
        }
    }

    async fn end_turn(&self, mut end: TurnEnd, now: Timestamp) -> Result<bool, StoreError> {
        let record = Recording::these(std::mem::take(&mut end.entries)).of_part(Done::anything);
        Ok(matches!(self.change(What::EndTurn(Box::new(end), now), record).await?, Done::Found(true)))
    }

    async fn break_off_turn(&self, client_id: &str, holder: &str, now: Timestamp) -> Result<(), StoreError> {
        let change = Other::BreakOffTurn { client_id: client_id.to_owned(), holder: holder.to_owned(), now };
        self.write(change).await.map(drop)
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query(
            "SELECT client_id FROM clients WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at, client_id LIMIT $2",
        );
        let query = query.bind(now.unix_millis()).bind(i64::from(limit));
        self.read(async |reader| query.fetch_all(reader).await?.iter().map(|row| row.try_get(0)).collect()).await
    }

    async fn note_uses(&self, uses: &[(String, Timestamp)]) -> Result<(), StoreError> {
        // A part at a time: who registers is not to wait for all of them.
        for part in uses.chunks(USES_AT_ONCE) {
            self.write(Other::NoteUses { uses: part.to_vec() }).await?;
        }
        Ok(())
    }
}

/// The states that [hold their digest](crate::lifecycle::State::holds_its_digest); the index of digests has the same ones.
const HOLDING: &str = "('pending', 'active', 'suspended', 'rejected')";

/// What is there of the same digests.
#[derive(Default)]
pub(super) struct Same {
    pub(super) clients: HashMap<MetadataDigest, ClientRecord>,
    /// The newest intent without an outcome.
    pub(super) under_way: HashMap<MetadataDigest, Timestamp>,
}

impl Same {
    pub(super) fn ask(batch: &mut Batch, digests: &HashSet<MetadataDigest>) {
        batch.add(&SAME, digests.iter().map(|digest| [digest.0.into()]).collect());
    }

    /// What was asked.
    pub(super) async fn read(connection: &mut AnyConnection, found: &mut Found) -> Result<Self, sqlx::Error> {
        let mut same = Self::default();
        let mut ids = Vec::new();
        for row in found.of(&SAME) {
            ids.extend(row.try_get::<Option<String>, _>(1)?.map(|id| [id.into()]));
            if let (Some(digest), Some(at)) = (client_row::digest(&row, 0)?, row.try_get::<Option<i64>, _>(2)?) {
                same.under_way.insert(digest, Timestamp::from_unix_millis(at));
            }
        }
        for row in BY_ID.fetch(connection, ids).await? {
            let client = record(&row)?;
            same.clients.extend(client.digest.map(|digest| (digest, client)));
        }
        Ok(same)
    }
}

/// Subqueries for each, because a join may be turned around: then all clients are read, or everything that is under way.
static SAME: Rows<1> = Rows::finding(
    "asked_for",
    &[
        "SELECT * FROM (SELECT v.column1 AS asked_for, \
         (SELECT c.client_id FROM clients c WHERE c.digest = v.column1 AND c.state IN ",
        HOLDING,
        ") AS client_id, \
         (SELECT max(r.at) FROM registrations r WHERE r.digest = v.column1 AND r.outcome IS NULL) AS at FROM (VALUES",
    ],
    ") AS v) AS same WHERE client_id IS NOT NULL OR at IS NOT NULL",
);
static BY_ID: Rows<1> = Rows::finding(
    "client_id",
    &["SELECT ", RECORD, " FROM (VALUES"],
    ") AS v CROSS JOIN clients c JOIN registrations r ON r.id = c.registration WHERE c.client_id = v.column1",
);

/// Asks which of them are there already.
pub(super) fn ask<'a>(batch: &mut Batch, entering: impl Iterator<Item = Entering<'a>>) {
    let row =
        |entering: Entering<'_>| [entering.client.client_id.clone().into(), entering.registration.0.clone().into()];
    batch.add(&THERE, entering.map(row).collect());
}

/// What [`ask`] found.
pub(super) struct There {
    known: HashSet<String>,
    /// Registrations whose digest another client holds: what comes of them is not given out again.
    without_digest: HashSet<String>,
}

impl There {
    pub(super) fn read(found: &mut Found) -> Result<Self, sqlx::Error> {
        let (mut known, mut without_digest) = (HashSet::new(), HashSet::new());
        for row in found.of(&THERE) {
            if row.try_get::<Option<i64>, _>(2)?.is_some() {
                known.insert(row.try_get(0)?);
            }
            if row.try_get::<Option<i64>, _>(3)?.is_some() {
                without_digest.insert(row.try_get(1)?);
            }
        }
        Ok(Self { known, without_digest })
    }
}

static THERE: Rows<2> = Rows::finding(
    "entering",
    &[
        "SELECT * FROM (SELECT v.column1 AS entering, v.column2 AS registration, \
         (SELECT c.version FROM clients c WHERE c.client_id = v.column1) AS known, \
         (SELECT o.version FROM registrations r JOIN clients o ON o.digest = r.digest WHERE r.id = v.column2 \
         AND o.client_id <> v.column1 AND o.state IN ",
        HOLDING,
        ") AS held FROM (VALUES",
    ],
    ") AS v) AS there WHERE known IS NOT NULL OR held IS NOT NULL",
);

/// Enters the clients that came of registrations; those that are new with the other `writes`. A server may answer with a client that is in
/// the record already (RFC 7591 §3.2.1 lets it): that one is brought up to date, unless it is to be left as it is; a suspended or rejected
/// one stays what it is. Returns the registrations that no live client came of.
pub(super) async fn enter<'a>(
    connection: &mut AnyConnection,
    entering: &[Entering<'a>],
    there: &There,
    writes: &mut Batch,
) -> Result<Vec<&'a RegistrationId>, sqlx::Error> {
    let mut seen: HashSet<&str> = there.known.iter().map(String::as_str).collect();
    let (new, again): (Vec<_>, Vec<_>) =
        entering.iter().copied().partition(|entering| seen.insert(&entering.client.client_id));
    let is_held = |entering: &Entering<'_>| there.without_digest.contains(&entering.registration.0);
    let row = |entering: &Entering<'_>| entry(entering, &entering.client.lifecycle, is_held(entering));
    writes.add(&ENTER, new.iter().map(row).collect::<Result<_, _>>()?);
    let not_live = new.iter().filter(|entering| !entering.client.lifecycle.state().is_live());
    let mut without = not_live.map(|entering| entering.registration).collect::<Vec<_>>();
    if !again.is_empty() {
        std::mem::take(writes).run(connection).await?;
    }
    for entering in again {
        let adds_a_live_one = match entering.client.if_known {
            IfKnown::Update => bring_up_to_date(connection, &entering, is_held(&entering)).await?.is_live(),
            IfKnown::Leave => false,
        };
        if !adds_a_live_one {
            without.push(entering.registration);
        }
    }
    Ok(without)
}

/// Returns the state it is in now.
async fn bring_up_to_date(
    connection: &mut AnyConnection,
    entering: &Entering<'_>,
    without_digest: bool,
) -> Result<State, sqlx::Error> {
    let list = List::of(TABLES, RECORD).with("c.client_id", Some(entering.client.client_id.as_str()));
    let known = list.one(&mut *connection).await?.as_ref().map(record).transpose()?;
    let known = known.ok_or(sqlx::Error::RowNotFound)?;
    let state = known.lifecycle.state();
    if state.is_live() {
        quotas::client_left(connection, &known.profile, &known.registrant.key).await?;
    }
    let lifecycle = match state {
        State::Suspended | State::Rejected => &known.lifecycle,
        State::Pending | State::Active | State::Expired | State::Deleted => &entering.client.lifecycle,
    };
    ENTER_OR_BRING_UP_TO_DATE.execute(connection, vec![entry(entering, lifecycle, without_digest)?]).await?;
    Ok(lifecycle.state())
}

/// What enters.
const ENTRY: &str = "INSERT INTO clients (client_id, registration, profile, registrant, created_at, updated_at, version, state, \
    lifecycle, client_name, redirect_uris, scope_requested, scope_granted, scope_withheld, scope_approved, metadata, digest, \
    access_token, server_access, unmanageable, confirmed_at, unsettled_since, settle_at, due_at, let_through) \
    SELECT v.column1, r.id, r.profile, r.registrant, v.column2, v.column2, 1, v.column3, v.column4, r.client_name, \
    r.redirect_uris, r.scope_requested, r.scope_granted, r.scope_withheld, '', v.column5, \
    CASE WHEN v.column11 = 1 THEN NULL ELSE r.digest END, \
    v.column6, v.column7, 0, v.column12, v.column9, v.column9, v.column10, r.let_through FROM (VALUES";
static ENTER: Rows<12> = Rows::between(&[ENTRY], ") AS v CROSS JOIN registrations r WHERE r.id = v.column8");
/// The condition also tells SQLite that `ON` does not belong to the join.
static ENTER_OR_BRING_UP_TO_DATE: Rows<12> = Rows::between(&[ENTRY], OR_BRING_UP_TO_DATE);
const OR_BRING_UP_TO_DATE: &str = ") AS v CROSS JOIN registrations r WHERE r.id = v.column8 \
    ON CONFLICT (client_id) DO UPDATE SET registration = excluded.registration, profile = excluded.profile, \
    registrant = excluded.registrant, updated_at = excluded.updated_at, version = clients.version + 1, \
    state = excluded.state, lifecycle = excluded.lifecycle, client_name = excluded.client_name, \
    redirect_uris = excluded.redirect_uris, scope_requested = excluded.scope_requested, \
    scope_granted = excluded.scope_granted, scope_withheld = excluded.scope_withheld, \
    scope_approved = excluded.scope_approved, metadata = excluded.metadata, \
    digest = excluded.digest, access_token = excluded.access_token, server_access = excluded.server_access, \
    unmanageable = 0, confirmed_at = excluded.confirmed_at, unsettled_since = excluded.unsettled_since, \
    settle_at = excluded.settle_at, settle_attempts = 0, settle_error = NULL, members_behind = 0, due_at = excluded.due_at, \
    approved = NULL, first_approval = NULL, asked = NULL, let_through = excluded.let_through";

/// The values of [`ENTRY`].
fn entry(entering: &Entering<'_>, lifecycle: &Lifecycle, without_digest: bool) -> Result<[Value; 12], sqlx::Error> {
    let client = entering.client;
    let unsettled = ClientRecord::unsettled_at_first(lifecycle, entering.now);
    Ok([
        client.client_id.clone().into(),
        entering.now.unix_millis().into(),
        lifecycle.state().as_str().into(),
        written(lifecycle)?.into(),
        written(&client.metadata)?.into(),
        client.access_token.map(|hash| hash.0.to_vec()).into(),
        client.server_access.as_ref().map(|sealed| sealed.0.clone()).into(),
        entering.registration.0.clone().into(),
        unsettled.as_ref().map(|unsettled| unsettled.since.unix_millis()).into(),
        due_at(lifecycle, unsettled.as_ref()).map(Timestamp::unix_millis).into(),
        i64::from(without_digest).into(),
        client.confirmed_at(entering.now).unix_millis().into(),
    ])
}

pub(super) async fn take_turn(connection: &mut AnyConnection, client_id: &str, turn: &Turn, now: Timestamp) -> Applied {
    let query = sqlx::query("SELECT turn_until FROM clients WHERE client_id = $1").bind(client_id.to_owned());
    let Some(row) = query.fetch_optional(&mut *connection).await? else {
        return Ok(Ok(Done::Turn(TurnTaken::Unknown)));
    };
    let until = row.try_get::<Option<i64>, _>(0)?.map(Timestamp::from_unix_millis);
    if until.is_some_and(|until| turn.must_wait(until, now)) {
        return Ok(Ok(Done::Turn(TurnTaken::Busy)));
    }
    let query = sqlx::query("UPDATE clients SET turn_holder = $1, turn_until = $2 WHERE client_id = $3")
        .bind(turn.holder.clone())
        .bind(now.after(turn.lasts).unix_millis())
        .bind(client_id.to_owned());
    query.execute(&mut *connection).await?;
    let row = List::of(TABLES, RECORD).with("c.client_id", Some(client_id)).one(connection).await?;
    let Some(client) = row.as_ref().map(record).transpose()? else { return Ok(Ok(Done::Turn(TurnTaken::Unknown))) };
    Ok(Ok(Done::Turn(TurnTaken::Taken { client: Box::new(client), interrupted: until.is_some() })))
}

pub(super) async fn end_turn(connection: &mut AnyConnection, end: &TurnEnd, now: Timestamp) -> Applied {
    let TurnEnd { holder, client, is_in_doubt, entries: _ } = end;
    let list = List::of(TABLES, RECORD)
        .with("c.client_id", Some(client.client_id.as_str()))
        .with("c.turn_holder", Some(holder.as_str()));
    let before = list.one(&mut *connection).await?.as_ref().map(record).transpose()?;
    let Some(before) = before else { return Ok(Ok(Done::Found(false))) };
    let is_changed = !before.reads_like(client);
    let unsettled = client.unsettled.as_ref();
    let updated_at = if is_changed { now } else { before.updated_at };
    let query = sqlx::query(
        "UPDATE clients SET updated_at = $1, version = version + $18, state = $2, lifecycle = $3, client_name = $4, \
         redirect_uris = $5, scope_requested = $6, scope_granted = $7, scope_withheld = $8, scope_approved = $9, \
         metadata = $10, digest = $11, access_token = $12, server_access = $13, unmanageable = $14, confirmed_at = $15, \
         unsettled_since = $19, settle_at = $20, settle_attempts = $21, settle_error = $22, members_behind = $23, due_at = $24, \
         approved = $25, first_approval = $26, asked = $27, let_through = $28, \
         turn_holder = $29, turn_until = $30 WHERE client_id = $16 AND turn_holder = $17",
    )
    .bind(updated_at.unix_millis())
    .bind(client.lifecycle.state().as_str())
    .bind(written(&client.lifecycle)?)
    .bind(client.client_name.clone())
    .bind(written(&client.redirect_uris)?)
    .bind(client.scope_requested.clone())
    .bind(client.scope_granted.clone())
    .bind(client.scope_withheld.clone())
    .bind(client.scope_approved.clone())
    .bind(written(&client.metadata)?)
    .bind(client.digest.map(|digest| digest.0.to_vec()))
    .bind(client.access_token.map(|hash| hash.0.to_vec()))
    .bind(client.server_access.as_ref().map(|sealed| sealed.0.clone()))
    .bind(i64::from(client.unmanageable))
    .bind(client.confirmed_at.unix_millis())
    .bind(client.client_id.clone())
    .bind(holder.clone())
    .bind(i64::from(is_changed))
    .bind(unsettled.map(|unsettled| unsettled.since.unix_millis()))
    .bind(unsettled.map(|unsettled| unsettled.next_at.unix_millis()))
    .bind(unsettled.map_or(0, |unsettled| i64::from(unsettled.attempts)))
    .bind(unsettled.and_then(|unsettled| unsettled.last_error.clone()))
    .bind(i64::from(client.members_behind))
    .bind(client.due_at().map(Timestamp::unix_millis))
    .bind(client.approved.as_ref().map(written).transpose()?)
    .bind(client.first_approval.as_ref().map(written).transpose()?)
    .bind(client.asked.as_ref().map(written).transpose()?)
    .bind(stored(&client.let_through)?)
    // As after a turn that did not end.
    .bind(is_in_doubt.then(|| holder.clone()))
    .bind(is_in_doubt.then(|| now.unix_millis()));
    query.execute(&mut *connection).await?;
    if before.lifecycle.state().is_live() && !client.lifecycle.state().is_live() {
        quotas::client_left(connection, &before.profile, &before.registrant.key).await?;
    }
    Ok(Ok(Done::Found(true)))
}

/// The holder stays in the row: the next one sees that this turn did not end.
pub(super) async fn break_off_turn(
    connection: &mut AnyConnection,
    client_id: &str,
    holder: &str,
    now: Timestamp,
) -> Applied {
    let query = sqlx::query("UPDATE clients SET turn_until = $1 WHERE client_id = $2 AND turn_holder = $3")
        .bind(now.unix_millis())
        .bind(client_id.to_owned())
        .bind(holder.to_owned());
    query.execute(connection).await?;
    Ok(Ok(Done::Written))
}

/// Whoever had a turn is gone: the next one need not wait until its time is over.
pub(super) async fn break_off_all_turns(connection: &mut AnyConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    let query = sqlx::query("UPDATE clients SET turn_until = $1 WHERE turn_until > $1").bind(now.unix_millis());
    query.execute(connection).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::State;

    #[test]
    fn the_statements_and_the_index_have_the_states_that_hold_their_digest() {
        let holding = State::ALL.into_iter().filter(|state| state.holds_its_digest());
        let written: Vec<String> = holding.map(|state| format!("'{state}'")).collect();
        assert_eq!(HOLDING, format!("({})", written.join(", ")));
        for index in [
            include_str!("../../../migrations/sqlite/0001_tokens_registrations_clients.sql"),
            include_str!("../../../migrations/postgres/0001_tokens_registrations_clients.sql"),
        ] {
            assert!(index.contains(&format!("digest IS NOT NULL AND state IN {HOLDING}")));
        }
    }
}
