//! The audit log: the statements, and the chain that this process writes. Records are linked while their group is written, in the one
//! task that writes, so that the chain needs no lock and no flush of its own.

use std::sync::PoisonError;

use async_trait::async_trait;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use tokio::sync::mpsc;

use super::SqlStore;
use super::change::{Applied, Done, Other, What};
use super::rows::{Batch, Rows, Value, query};
use crate::clock::Timestamp;
use crate::store::audit::{End, LARGEST_CUT, place};
use crate::store::{
    AuditEntry, AuditFilter, AuditLog, AuditRecord, Chain, Cursor, Head, RecordHash, Recording, SignedHead, StoreError,
    WriterId,
};

/// Heads of a chain that are so much older than a new one say nothing that it does not say.
const HEADS_KEPT: i64 = 24 * 60 * 60 * 1000;

#[async_trait]
impl AuditLog for SqlStore {
    async fn open_chain(&self, writer: WriterId, told: Option<mpsc::Sender<AuditRecord>>) -> Result<(), StoreError> {
        self.write(Other::OpenChain { writer: writer.clone(), told }).await?;
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
        Ok(())
    }

    async fn append(&self, entries: Vec<AuditEntry>) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.change(What::Record, Recording::these(entries).of_part(Done::anything)).await.map(drop)
    }

    async fn head(&self, now: Timestamp) -> Result<Option<Head>, StoreError> {
        let Some(writer) = self.own_chain() else { return Ok(None) };
        self.read(async |reader| Ok(end(reader, writer).await?.head(now))).await
    }

    async fn keep_head(&self, head: SignedHead) -> Result<(), StoreError> {
        self.write(Other::KeepHead(head)).await.map(drop)
    }

    async fn chains(&self) -> Result<Vec<Chain>, StoreError> {
        self.read(async |reader| chains(reader).await).await
    }

    async fn records_of(&self, writer: &WriterId, from: u64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let Ok(from) = i64::try_from(from) else { return Ok(Vec::new()) };
        let text = format!(
            "SELECT {RECORD} FROM audit_records WHERE writer = $1 AND sequence >= $2 ORDER BY sequence LIMIT $3"
        );
        let values = [writer.0.clone().into(), from.into(), i64::from(limit).into()];
        self.read(async |reader| query(text, values).fetch_all(reader).await?.iter().map(record).collect()).await
    }

    async fn records(
        &self,
        filter: &AuditFilter,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let mut text = format!("SELECT {RECORD} FROM audit_records WHERE at >= $1 AND at < $2");
        let (since, until) = (filter.since.map_or(i64::MIN, Timestamp::unix_millis), filter.until);
        let mut values: Vec<Value> = vec![since.into(), until.map_or(i64::MAX, Timestamp::unix_millis).into()];
        if let Some(writer) = &filter.writer {
            values.push(writer.0.clone().into());
            // Not by the key, which has another order: the newest are found by the index of moments, however long the chain is.
            text.push_str(&format!(" AND writer || '' = ${}", values.len()));
        }
        if let Some(after) = after {
            let (writer, sequence) = place(after)?;
            let first = values.len() + 1;
            values.extend([after.at.unix_millis().into(), writer.into(), number(sequence).into()]);
            text.push_str(&format!(" AND (at, writer, sequence) < (${first}, ${}, ${})", first + 1, first + 2));
        }
        text.push_str(&format!(" ORDER BY at DESC, writer DESC, sequence DESC LIMIT {limit}"));
        self.read(async |reader| query(text, values).fetch_all(reader).await?.iter().map(record).collect()).await
    }

    async fn expired(&self, before: Timestamp, now: Timestamp) -> Result<Vec<Head>, StoreError> {
        self.read(async |reader| {
            let mut found = Vec::new();
            for writer in writers(reader).await? {
                found.extend(last_expired(reader, writer, before, now).await?);
            }
            Ok(found)
        })
        .await
    }

    async fn cut(&self, cut: SignedHead) -> Result<bool, StoreError> {
        Ok(matches!(self.write(Other::Cut(cut)).await?, Done::Found(true)))
    }
}

impl SqlStore {
    pub(super) fn own_chain(&self) -> Option<WriterId> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The chain of this process, where it is written.
#[derive(Debug, Clone)]
pub(super) struct OpenChain {
    writer: WriterId,
    told: Option<mpsc::Sender<AuditRecord>>,
    /// None: whether the last records came on disk is not known, and to be looked up.
    end: Option<End>,
}

impl OpenChain {
    pub(super) const fn of(writer: WriterId, told: Option<mpsc::Sender<AuditRecord>>) -> Self {
        Self { writer, told, end: None }
    }

    /// Nobody knows what is on disk.
    pub(super) fn doubt(&mut self) {
        self.end = None;
    }

    /// Links the entries, for `writes` to write them; they are records when the transaction is committed. Returns what is to be told then ([`OpenChain::tell`]).
    pub(super) async fn record(
        &mut self,
        connection: &mut AnyConnection,
        writes: &mut Batch,
        entries: Vec<AuditEntry>,
    ) -> Result<Vec<AuditRecord>, sqlx::Error> {
        let mut last = match self.end.take() {
            Some(last) => last,
            None => end(connection, self.writer.clone()).await?,
        };
        let records: Vec<AuditRecord> = entries.into_iter().map(|entry| last.link(entry)).collect();
        let row = |AuditRecord { writer, sequence, at, previous, hash, event }| {
            [
                writer.0.into(),
                number(sequence).into(),
                at.unix_millis().into(),
                previous.0.into(),
                hash.0.into(),
                event.into(),
            ]
        };
        let told = if self.told.is_some() { records.clone() } else { Vec::new() };
        writes.add(&INSERT, records.into_iter().map(row).collect());
        self.end = Some(last);
        Ok(told)
    }

    /// They are on disk. What has no room is left out: whoever is told sees it by the numbers.
    pub(super) fn tell(&self, records: Vec<AuditRecord>) {
        let Some(told) = &self.told else { return };
        for record in records {
            let _ = told.try_send(record);
        }
    }
}

static INSERT: Rows<6> = Rows::between(
    &["INSERT INTO audit_records (writer, sequence, at, previous, hash, event) SELECT * FROM (VALUES"],
    ") AS v WHERE v.column1 IS NOT NULL",
);

/// Where the chain ends on disk: with its last record, or where retention cut it when it has none any more.
async fn end(connection: &mut AnyConnection, writer: WriterId) -> Result<End, sqlx::Error> {
    for last in [
        "SELECT sequence, hash FROM audit_records WHERE writer = $1 ORDER BY sequence DESC LIMIT 1",
        "SELECT cut_sequence, cut_hash FROM audit_chains WHERE writer = $1 AND cut_sequence IS NOT NULL",
    ] {
        if let Some(row) = sqlx::query(last).bind(writer.0.clone()).fetch_optional(&mut *connection).await? {
            return Ok(End { writer, next: sequence(&row, 0)? + 1, hash: hash(&row, 1)? });
        }
    }
    Ok(End::of(writer))
}

pub(super) async fn open(connection: &mut AnyConnection, writer: &WriterId) -> Applied {
    let insert = sqlx::query("INSERT INTO audit_chains (writer) VALUES ($1) ON CONFLICT (writer) DO NOTHING");
    insert.bind(writer.0.clone()).execute(connection).await?;
    Ok(Ok(Done::Written))
}

pub(super) async fn keep_head(connection: &mut AnyConnection, kept: &SignedHead) -> Applied {
    let SignedHead { head: Head { writer, sequence, hash, at }, key, signature } = kept;
    let forget = sqlx::query("DELETE FROM audit_heads WHERE writer = $1 AND at < $2")
        .bind(writer.0.clone())
        .bind(at.unix_millis().saturating_sub(HEADS_KEPT));
    forget.execute(&mut *connection).await?;
    let insert = sqlx::query(
        "INSERT INTO audit_heads (writer, sequence, hash, at, key, signature) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (writer, sequence) DO UPDATE SET hash = excluded.hash, at = excluded.at, key = excluded.key, \
         signature = excluded.signature",
    )
    .bind(writer.0.clone())
    .bind(number(*sequence))
    .bind(hash.0.to_vec())
    .bind(at.unix_millis())
    .bind(key.clone())
    .bind(signature.clone());
    insert.execute(connection).await?;
    Ok(Ok(Done::Written))
}

pub(super) async fn cut(connection: &mut AnyConnection, cut: &SignedHead) -> Applied {
    let SignedHead { head: Head { writer, sequence, hash, at }, key, signature } = cut;
    open(connection, writer).await?.ok();
    let write = sqlx::query(
        "UPDATE audit_chains SET cut_sequence = $1, cut_hash = $2, cut_at = $3, cut_key = $4, cut_signature = $5 \
         WHERE writer = $6 AND (cut_sequence IS NULL OR cut_sequence < $1)",
    )
    .bind(number(*sequence))
    .bind(hash.0.to_vec())
    .bind(at.unix_millis())
    .bind(key.clone())
    .bind(signature.clone())
    .bind(writer.0.clone());
    if write.execute(&mut *connection).await?.rows_affected() == 0 {
        // Another process cut more.
        return Ok(Ok(Done::Found(false)));
    }
    for delete in [
        "DELETE FROM audit_records WHERE writer = $1 AND sequence <= $2",
        "DELETE FROM audit_heads WHERE writer = $1 AND sequence <= $2",
    ] {
        sqlx::query(delete).bind(writer.0.clone()).bind(number(*sequence)).execute(&mut *connection).await?;
    }
    Ok(Ok(Done::Found(true)))
}

/// All chains, also one that has records and was struck out of the list.
async fn writers(connection: &mut AnyConnection) -> Result<Vec<WriterId>, sqlx::Error> {
    let listed = sqlx::query("SELECT writer FROM audit_chains").fetch_all(&mut *connection).await?;
    let mut writers = listed.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    let mut last = String::new();
    let next = "SELECT writer FROM audit_records WHERE writer > $1 ORDER BY writer LIMIT 1";
    while let Some(row) = sqlx::query(next).bind(last).fetch_optional(&mut *connection).await? {
        last = row.try_get(0)?;
        writers.push(last.clone());
    }
    writers.sort();
    writers.dedup();
    Ok(writers.into_iter().map(WriterId).collect())
}

async fn chains(connection: &mut AnyConnection) -> Result<Vec<Chain>, sqlx::Error> {
    let mut chains = Vec::new();
    for writer in writers(connection).await? {
        let heads = sqlx::query(
            "SELECT writer, sequence, hash, at, key, signature FROM audit_heads WHERE writer = $1 ORDER BY sequence",
        )
        .bind(writer.0.clone());
        let heads = heads.fetch_all(&mut *connection).await?.iter().map(signed_head).collect::<Result<_, _>>()?;
        let cut = sqlx::query(
            "SELECT writer, cut_sequence, cut_hash, cut_at, cut_key, cut_signature FROM audit_chains \
             WHERE writer = $1 AND cut_sequence IS NOT NULL",
        )
        .bind(writer.0.clone());
        let cut = cut.fetch_optional(&mut *connection).await?.as_ref().map(signed_head).transpose()?;
        chains.push(Chain { writer, heads, cut });
    }
    Ok(chains)
}

/// The last of the old records at the beginning of a chain, as it is stated now.
async fn last_expired(
    connection: &mut AnyConnection,
    writer: WriterId,
    before: Timestamp,
    now: Timestamp,
) -> Result<Option<Head>, sqlx::Error> {
    let old = sqlx::query("SELECT sequence, hash, at FROM audit_records WHERE writer = $1 ORDER BY sequence LIMIT $2")
        .bind(writer.0.clone())
        .bind(i64::from(LARGEST_CUT));
    let is_old = |row: &&AnyRow| row.try_get::<i64, _>(2).is_ok_and(|at| at < before.unix_millis());
    let rows = old.fetch_all(connection).await?;
    let last = rows.iter().take_while(is_old).last();
    last.map(|row| Ok(Head { writer: writer.clone(), sequence: sequence(row, 0)?, hash: hash(row, 1)?, at: now }))
        .transpose()
}

const RECORD: &str = "writer, sequence, at, previous, hash, event";

/// A record out of the columns of [`RECORD`].
fn record(row: &AnyRow) -> Result<AuditRecord, sqlx::Error> {
    Ok(AuditRecord {
        writer: WriterId(row.try_get(0)?),
        sequence: sequence(row, 1)?,
        at: Timestamp::from_unix_millis(row.try_get(2)?),
        previous: hash(row, 3)?,
        hash: hash(row, 4)?,
        event: row.try_get(5)?,
    })
}

/// Out of the columns `writer, sequence, hash, at, key, signature`.
fn signed_head(row: &AnyRow) -> Result<SignedHead, sqlx::Error> {
    let at = Timestamp::from_unix_millis(row.try_get(3)?);
    let head = Head { writer: WriterId(row.try_get(0)?), sequence: sequence(row, 1)?, hash: hash(row, 2)?, at };
    Ok(SignedHead { head, key: row.try_get(4)?, signature: row.try_get(5)? })
}

fn hash(row: &AnyRow, column: usize) -> Result<RecordHash, sqlx::Error> {
    let octets: Vec<u8> = row.try_get(column)?;
    octets.try_into().map(RecordHash).map_err(|_| sqlx::Error::Decode("a hash of another length".into()))
}

fn sequence(row: &AnyRow, column: usize) -> Result<u64, sqlx::Error> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// No chain has so many records that this matters.
fn number(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
