//! Begins registrations, all of a group together: what the database knows about them is read, then each is judged in its turn,
//! then what they came to is written. So a group costs few statements, however large it is.

use std::collections::HashSet;

use sqlx::AnyConnection;

use super::change::Done;
use super::clients::Same;
use super::quotas::{Counted, Counts};
use super::rows::{Batch, Found, Rows, Value};
use super::{client_row, json_column, tokens};
use crate::store::quota::Window;
use crate::store::{Beginning, Begun, HandingOut, Intent, OutcomeName, RegistrantRecord, StoreError, TokenUse};

/// Asks what has to be known about them.
pub(super) fn ask(batch: &mut Batch, beginnings: &[&(Beginning, HandingOut)]) {
    let digests: HashSet<_> = beginnings.iter().filter_map(|(beginning, _)| beginning.intent.digest).collect();
    Same::ask(batch, &digests);
    let limited = beginnings.iter().filter(|(beginning, _)| beginning.quotas.limit_something());
    Counts::ask(batch, limited.map(|(beginning, _)| counted(beginning)));
}

/// What each came to, in their order. What is to be written for them goes to `writes`.
pub(super) async fn begin(
    connection: &mut AnyConnection,
    beginnings: &[&(Beginning, HandingOut)],
    found: &mut Found,
    writes: &mut Batch,
) -> Result<Vec<Result<Done, StoreError>>, sqlx::Error> {
    let same = Same::read(connection, found).await?;
    let mut group = Group { same, counts: Counts::read(found)?, intents: Vec::new() };
    let mut results = Vec::with_capacity(beginnings.len());
    for (beginning, handing_out) in beginnings {
        results.push(group.judge(connection, beginning, handing_out).await?.map(Done::Begun));
    }
    group.counts.write(writes);
    writes.add(&INSERT, group.intents);
    Ok(results)
}

/// As [`ask`] and [`begin`], for one by itself.
pub(super) async fn begin_one(
    connection: &mut AnyConnection,
    beginning: &(Beginning, HandingOut),
) -> Result<Option<Result<Done, StoreError>>, sqlx::Error> {
    let (mut asked, mut writes) = (Batch::default(), Batch::default());
    ask(&mut asked, &[beginning]);
    let mut found = asked.run(connection).await?;
    let mut results = begin(connection, &[beginning], &mut found, &mut writes).await?;
    writes.run(connection).await?;
    Ok(results.pop())
}

/// What is known about the registrations of a group, those judged before included, and what is to be written for them.
struct Group {
    same: Same,
    counts: Counts,
    intents: Vec<[Value; INTENT]>,
}

impl Group {
    async fn judge(
        &mut self,
        connection: &mut AnyConnection,
        beginning: &Beginning,
        handing_out: &HandingOut,
    ) -> Result<Result<Begun, StoreError>, sqlx::Error> {
        let Beginning { intent, quotas, under_way } = beginning;
        if let Some(reserved) = &intent.token {
            match tokens::check(connection, reserved, intent.at).await? {
                Ok(None) => {}
                Ok(Some(unusable)) => return Ok(Ok(Begun::TokenUnusable(unusable))),
                Err(error) => return Ok(Err(error)),
            }
        }
        if let Some(digest) = &intent.digest {
            if let Some(known) = self.same.clients.get(digest) {
                let known = Box::new(known.clone());
                if known.is_handed_out() {
                    if handing_out.must_look_for(&known) {
                        return Ok(Ok(Begun::Unconfirmed(known)));
                    }
                    // The same client again: it spends a use of the token, and counts as no further client.
                    self.admit(connection, intent, How::Repeated { client_id: &known.client_id }).await?;
                }
                return Ok(Ok(Begun::Known(known)));
            }
            if self.same.under_way.get(digest).is_some_and(|since| since.after(*under_way) > intent.at) {
                return Ok(Ok(Begun::SameUnderWay));
            }
        }
        let counted = counted(beginning);
        if let Err(reached) = quotas.check(self.counts.used(counted), intent.at) {
            return Ok(Ok(Begun::QuotaReached(reached)));
        }
        self.counts.count(counted);
        if let Some(digest) = intent.digest {
            let newest = self.same.under_way.entry(digest).or_insert(intent.at);
            *newest = intent.at.max(*newest);
        }
        self.admit(connection, intent, How::Open(counted.windows)).await?;
        Ok(Ok(Begun::Ready))
    }

    async fn admit(
        &mut self,
        connection: &mut AnyConnection,
        intent: &Intent,
        how: How<'_>,
    ) -> Result<(), sqlx::Error> {
        if let Some(reserved) = &intent.token {
            tokens::reserve(connection, reserved).await?;
        }
        self.intents.push(row(intent, how)?);
        Ok(())
    }
}

fn counted(Beginning { intent, quotas, .. }: &Beginning) -> Counted<'_> {
    Counted { profile: &intent.profile, registrant: &intent.registrant.key, windows: quotas.windows(intent.at) }
}

enum How<'a> {
    Open((Option<Window>, Option<Window>)),
    Repeated { client_id: &'a str },
}

/// How many columns an intent has.
const INTENT: usize = 28;
static INSERT: Rows<INTENT> = Rows::between(
    &["INSERT INTO registrations (id, at, profile, policy_version, registrant, address, certificate_thumbprint, \
    certificate_subject, token_label, statement_issuer, software_id, token, token_issuer, token_until, client_name, \
    redirect_uris, scope_requested, scope_granted, scope_withheld, digest, period, period_start, total_period, \
    total_period_start, outcome, client_id, finished_at, let_through) SELECT * FROM (VALUES"],
    ") AS v WHERE v.column1 IS NOT NULL",
);

/// The values of [`INSERT`].
fn row(intent: &Intent, how: How<'_>) -> Result<[Value; INTENT], sqlx::Error> {
    let redirect_uris = json_column::written(&intent.redirect_uris)?;
    let (token, token_issuer, token_until) = match &intent.token {
        None => (None, None, None),
        Some(TokenUse::Issued(id)) => (Some(id.0.clone()), None, None),
        Some(TokenUse::Once { issuer, id, until }) => {
            (Some(id.clone()), Some(issuer.clone()), Some(until.unix_millis()))
        }
    };
    let ((period, total), client_id) = match how {
        How::Open(windows) => (windows, None),
        How::Repeated { client_id } => ((None, None), Some(client_id.to_owned())),
    };
    let is_repeated = client_id.is_some();
    let (length, start) = (|window: Window| window.length, |window: Window| window.start);
    let RegistrantRecord { key, address, .. } = &intent.registrant;
    Ok([
        intent.id.0.clone().into(),
        intent.at.unix_millis().into(),
        intent.profile.clone().into(),
        intent.policy_version.clone().into(),
        key.clone().into(),
        address.to_string().into(),
        intent.registrant.certificate_thumbprint.clone().into(),
        intent.registrant.certificate_subject.clone().into(),
        intent.registrant.token_label.clone().into(),
        intent.registrant.statement_issuer.clone().into(),
        intent.registrant.software_id.clone().into(),
        token.into(),
        token_issuer.into(),
        token_until.into(),
        intent.client_name.clone().into(),
        redirect_uris.into(),
        intent.scope_requested.clone().into(),
        intent.scope_granted.clone().into(),
        intent.scope_withheld.clone().into(),
        intent.digest.map(|digest| digest.0.to_vec()).into(),
        period.map(length).into(),
        period.map(start).into(),
        total.map(length).into(),
        total.map(start).into(),
        is_repeated.then(|| OutcomeName::Repeated.as_str().to_owned()).into(),
        client_id.into(),
        is_repeated.then(|| intent.at.unix_millis()).into(),
        client_row::stored(&intent.let_through)?.into(),
    ])
}
