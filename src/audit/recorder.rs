//! Writes events down. What was granted or changed is on disk before anybody is told; what was refused is written in bounded numbers
//! beside the requests, which never wait for it. Beside it heads are signed, and what is too old is taken away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::chain::{self, Purpose, SigningKeys};
use super::event::{Actor, Event, Kind, Subject};
use super::export::{self, Sinks};
use super::journal::Journal;
use super::settings::AuditSettings;
use crate::clock::{Clock, Timestamp, after_every};
use crate::store::{AuditEntry, Head, Recording, SignedHead, Store, StoreError, Telling, WriterId};

/// So many refusals wait for the store; more are counted and left out.
const LONGEST_QUEUE: usize = 4096;
/// So many are written at once.
const LARGEST_BATCH: usize = 256;
/// So many records wait for an export; more are left out of it.
const LONGEST_EXPORT: usize = 8192;
/// Refusals gather for so long, so that a flood costs a few writes and not one for each.
const GATHER: Duration = Duration::from_millis(200);
/// How often what is too old is taken away.
const CUT_EVERY: Duration = Duration::from_secs(60 * 60);

/// Who is told of what is recorded: of an event in the transaction that it is recorded in.
pub trait Audience: Send + Sync {
    /// What is told of an event.
    fn of_event(&self, event: &Event, at: Timestamp) -> Vec<Telling>;
    /// What is told of a head that was signed.
    fn of_head(&self, head: &SignedHead) -> Vec<Telling>;
}

/// Nobody is told anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Audience for Nobody {
    fn of_event(&self, _event: &Event, _at: Timestamp) -> Vec<Telling> {
        Vec::new()
    }

    fn of_head(&self, _head: &SignedHead) -> Vec<Telling> {
        Vec::new()
    }
}

/// Takes events; the same for everybody in the process.
#[derive(Clone, Default)]
pub struct Recorder(Option<Arc<Inner>>);

struct Inner {
    store: Arc<dyn Store>,
    audience: Arc<dyn Audience>,
    noted: mpsc::Sender<(Event, Timestamp)>,
    lost: AtomicU64,
    export_fails: Arc<AtomicBool>,
}

/// What a chain begins with.
pub struct Beginning {
    /// Its name: random.
    pub writer: WriterId,
    /// The key that signs its heads; none: nobody vouches for it.
    pub keys: Option<Arc<SigningKeys>>,
    /// What this process is: `serve`, `tokens create`.
    pub command: &'static str,
    /// Who is told of what it records.
    pub audience: Arc<dyn Audience>,
    /// The present moment.
    pub now: Timestamp,
}

/// What is done beside the requests.
pub struct Keeper {
    inner: Arc<Inner>,
    noted: mpsc::Receiver<(Event, Timestamp)>,
    journal: Journal,
    keys: Option<Arc<SigningKeys>>,
    settings: AuditSettings,
    writer: WriterId,
    signed_up_to: Option<u64>,
    heads: mpsc::Sender<SignedHead>,
    exporting: tokio::task::JoinHandle<()>,
}

impl Recorder {
    /// Records nothing: for benches, and for tools that change nothing.
    pub const fn silent() -> Self {
        Self(None)
    }

    /// Begins a chain in the store, and records that it began. To be called in the runtime that will serve.
    ///
    /// # Errors
    /// The store's; a file to export to.
    pub async fn begin(
        store: Arc<dyn Store>,
        settings: &AuditSettings,
        beginning: Beginning,
    ) -> Result<(Self, Keeper), StoreError> {
        let Beginning { writer, keys, command, audience, now } = beginning;
        let sinks = Sinks::open(&settings.export).map_err(|error| StoreError(error.into()))?;
        let (told, telling) = mpsc::channel(LONGEST_EXPORT);
        let (heads, heads_told) = mpsc::channel(16);
        let (noted, notes) = mpsc::channel(LONGEST_QUEUE);
        store.open_chain(writer.clone(), (!sinks.is_empty()).then_some(told)).await?;
        store.append(vec![started(&writer, keys.as_deref(), command).at(now)?]).await?;
        let inner = Arc::new(Inner { store, audience, noted, lost: AtomicU64::new(0), export_fails: sinks.failing() });
        let keeper = Keeper {
            inner: inner.clone(),
            noted: notes,
            journal: Journal::new(settings.refusals),
            keys,
            settings: settings.clone(),
            writer,
            signed_up_to: None,
            heads,
            exporting: tokio::spawn(export::run(sinks, telling, heads_told)),
        };
        Ok((Self(Some(inner)), keeper))
    }

    /// The entry of an event that is recorded together with something else; none: nothing is recorded.
    ///
    /// # Errors
    /// It cannot be written, which no event is known to do.
    pub fn entry(&self, event: impl FnOnce() -> Event, now: Timestamp) -> Result<Vec<AuditEntry>, StoreError> {
        match &self.0 {
            Some(inner) => Ok(vec![inner.entry(event(), now)?]),
            None => Ok(Vec::new()),
        }
    }

    /// The entries of what a change comes to, of which only the store can tell: they are made in its transaction.
    pub fn recording<T>(
        &self,
        events: impl Fn(&T) -> Vec<Event> + Send + Sync + 'static,
        now: Timestamp,
    ) -> Recording<T> {
        let Some(inner) = self.0.clone() else { return Recording::nothing() };
        let entry = move |event| {
            let entry = inner.entry(event, now);
            entry.inspect_err(|error| tracing::error!(%error, "an event cannot be recorded")).ok()
        };
        Recording::of(move |came| events(came).into_iter().filter_map(&entry).collect())
    }

    /// Records it; it is on disk when this returns.
    ///
    /// # Errors
    /// The store's.
    pub async fn record(&self, event: Event, now: Timestamp) -> Result<(), StoreError> {
        let Some(inner) = &self.0 else { return Ok(()) };
        inner.store.append(vec![inner.entry(event, now)?]).await
    }

    /// Whether each place of `audit.export` takes what is exported.
    pub fn is_exported(&self) -> bool {
        self.0.as_ref().is_none_or(|inner| !inner.export_fails.load(Ordering::Relaxed))
    }

    /// Records it soon, within the bounds of refusals; never waits.
    pub fn note(&self, event: impl FnOnce() -> Event, now: Timestamp) {
        let Some(inner) = &self.0 else { return };
        if inner.noted.try_send((event(), now)).is_err() {
            inner.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Inner {
    /// The entry, with what is told of it.
    fn entry(&self, event: Event, at: Timestamp) -> Result<AuditEntry, StoreError> {
        let told = self.audience.of_event(&event, at);
        Ok(AuditEntry { told, ..event.at(at)? })
    }
}

fn started(writer: &WriterId, keys: Option<&SigningKeys>, command: &str) -> Event {
    let event = Event::new(Kind::ProcessStarted, Actor::Gateway).about(Subject::Process(writer.0.clone()));
    let signing_key = keys.map(|keys| keys.name().to_owned());
    Event { signing_key, ..event.because(command) }
}

/// What a command did by itself, and whether the head of its chain is in the store.
#[derive(Debug)]
pub struct Alone<T> {
    /// What it came to. It is done, and recorded.
    pub came: T,
    /// Why the head is not there: nobody vouches for the record.
    pub head: Result<(), StoreError>,
}

/// Makes one change in a chain of its own, which begins and ends with its event: for a command that changes something by itself. `change`
/// records the entries together with what it changes.
///
/// # Errors
/// The store's: nothing was changed.
pub async fn alone<T>(
    store: &dyn Store,
    beginning: Beginning,
    event: Event,
    change: impl AsyncFnOnce(Vec<AuditEntry>) -> Result<T, StoreError>,
) -> Result<Alone<T>, StoreError> {
    let Beginning { writer, keys, command, now, audience: _ } = beginning;
    store.open_chain(writer.clone(), None).await?;
    let entries = [started(&writer, keys.as_deref(), command), event, stopped(&writer)];
    let entries = entries.into_iter().map(|event| event.at(now)).collect::<Result<_, _>>()?;
    let came = change(entries).await?;
    let signed = async {
        match store.head(now).await? {
            Some(head) => store.keep_head(sign(keys.as_deref(), Purpose::Head, head)).await,
            None => Ok(()),
        }
    };
    Ok(Alone { came, head: signed.await })
}

fn stopped(writer: &WriterId) -> Event {
    Event::new(Kind::ProcessStopped, Actor::Gateway).about(Subject::Process(writer.0.clone()))
}

fn sign(keys: Option<&SigningKeys>, purpose: Purpose, head: Head) -> SignedHead {
    match keys {
        Some(keys) => keys.sign(purpose, head),
        None => chain::unsigned(head),
    }
}

enum Due {
    Noted(usize),
    Window,
    Sign,
    Cut,
    End,
}

impl Keeper {
    /// Keeps at it until `ended` is true; then what is left is written, the last head signed, and everything exported.
    pub async fn keep(mut self, clock: Arc<dyn Clock>, mut ended: watch::Receiver<bool>) {
        let mut windows = after_every(self.settings.refusals.window.0);
        let mut signing = after_every(self.settings.sign_every.0);
        let mut cutting = after_every(CUT_EVERY);
        let mut notes = Vec::with_capacity(LARGEST_BATCH);
        loop {
            let due = tokio::select! {
                count = self.noted.recv_many(&mut notes, LARGEST_BATCH) => Due::Noted(count),
                _ = windows.tick() => Due::Window,
                _ = signing.tick() => Due::Sign,
                _ = cutting.tick() => Due::Cut,
                _ = ended.wait_for(|ended| *ended) => Due::End,
            };
            let now = clock.now();
            match due {
                Due::Noted(count) => {
                    self.write_notes(&mut notes).await;
                    if count < LARGEST_BATCH {
                        tokio::select! {
                            () = tokio::time::sleep(GATHER) => {}
                            _ = ended.wait_for(|ended| *ended) => {}
                        }
                    }
                }
                // What was lost of the last window is told although nobody is refused any more.
                Due::Window if self.journal.is_over(now) || self.has_lost() => self.write_counts(now).await,
                Due::Window => {}
                Due::Sign => self.sign_head(now).await,
                Due::Cut => self.cut(now).await,
                Due::End => return self.end(now).await,
            }
        }
    }

    async fn write_notes(&mut self, notes: &mut Vec<(Event, Timestamp)>) {
        let mut due = Vec::new();
        for (event, at) in notes.drain(..) {
            due.extend(self.journal.note(event, at).into_iter().map(|event| (event, at)));
        }
        self.write(due).await;
    }

    fn has_lost(&self) -> bool {
        self.inner.lost.load(Ordering::Relaxed) > 0
    }

    async fn write_counts(&mut self, now: Timestamp) {
        let mut due = self.journal.close();
        let lost = self.inner.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            due.push(Event { count: Some(lost), ..Event::new(Kind::RecordsLost, Actor::Gateway) });
        }
        self.write(due.into_iter().map(|event| (event, now)).collect()).await;
    }

    async fn write(&self, due: Vec<(Event, Timestamp)>) {
        if due.is_empty() {
            return;
        }
        // What stands for many is lost as many.
        let count: u64 = due.iter().map(|(event, _)| event.count.unwrap_or(1)).sum();
        let entries: Result<Vec<_>, _> = due.into_iter().map(|(event, at)| self.inner.entry(event, at)).collect();
        let written = match entries {
            Ok(entries) => self.inner.store.append(entries).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            self.inner.lost.fetch_add(count, Ordering::Relaxed);
            tracing::warn!(%error, count, "refusals were not recorded: their number will be");
        }
    }

    /// When there is something new since the last one.
    async fn sign_head(&mut self, now: Timestamp) {
        let head = match self.inner.store.head(now).await {
            Ok(Some(head)) if Some(head.sequence) != self.signed_up_to => head,
            Ok(_) => return,
            Err(error) => return tracing::warn!(%error, "the audit log's head is not known, and not signed"),
        };
        let sequence = head.sequence;
        let head = sign(self.keys.as_deref(), Purpose::Head, head);
        match self.inner.store.keep_head(head.clone()).await {
            Ok(()) => self.signed_up_to = Some(sequence),
            // The next look signs it again, also where nothing is recorded until then.
            Err(error) => {
                tracing::warn!(%error, "a head of the audit log is not in the store yet; it is exported all the same");
            }
        }
        if let Err(error) = self.inner.store.tell(self.inner.audience.of_head(&head)).await {
            tracing::warn!(%error, "nobody is told of a head of the audit log; the next one stands for it");
        }
        // An export that is so slow gets the next head.
        let _ = self.heads.try_send(head);
    }

    async fn cut(&self, now: Timestamp) {
        let before = now.before(self.settings.retention.0);
        loop {
            let cut = async {
                let mut chains = 0_u64;
                for head in self.inner.store.expired(before, now).await? {
                    let is_cut = self.inner.store.cut(sign(self.keys.as_deref(), Purpose::Cut, head)).await?;
                    chains += u64::from(is_cut);
                }
                Ok::<_, StoreError>(chains)
            };
            match cut.await {
                // Also where something is still too old: another process cut it, or it stands in front of a cut, and stays.
                Ok(0) => return,
                Ok(chains) => tracing::info!(chains, %before, "old audit records were taken away"),
                Err(error) => return tracing::warn!(%error, "old audit records cannot be taken away"),
            }
        }
    }

    async fn end(mut self, now: Timestamp) {
        let mut notes = Vec::new();
        while let Ok(note) = self.noted.try_recv() {
            notes.push(note);
        }
        self.write_notes(&mut notes).await;
        self.write_counts(now).await;
        self.write(vec![(stopped(&self.writer), now)]).await;
        self.sign_head(now).await;
        let Self { heads, exporting, .. } = self;
        drop(heads);
        if let Err(error) = exporting.await {
            tracing::warn!(%error, "the export of the audit log broke off");
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, Executor as _};

    use super::*;
    use crate::audit::settings::RefusalSettings;
    use crate::clock::SystemClock;
    use crate::duration::DurationText;
    use crate::store::settings::{StoreSettings, StoreUrl};
    use crate::store::sql::SqlStore;
    use crate::store::{AuditFilter, AuditLog as _};

    const AT: Timestamp = Timestamp::from_unix_millis(7_000);

    #[tokio::test]
    async fn a_head_that_the_store_did_not_take_is_kept_later_though_nothing_was_recorded_since() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("gateway.db");
        let url = StoreUrl::Sqlite(file.clone());
        let store = Arc::new(SqlStore::open(&StoreSettings { url, ..StoreSettings::default() }).await.unwrap());
        let now = Timestamp::from_unix_millis(1_000);
        let (writer, audience) = (WriterId("w".to_owned()), Arc::new(Nobody));
        let beginning = Beginning { writer, keys: None, command: "serve", audience, now };
        let (_, mut keeper) = Recorder::begin(store.clone(), &AuditSettings::default(), beginning).await.unwrap();
        let mut beside = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        let full = "CREATE TRIGGER f BEFORE INSERT ON audit_heads BEGIN SELECT RAISE(ABORT, 'disk full'); END";
        beside.execute(full).await.unwrap();
        keeper.sign_head(now).await;
        assert!(store.chains().await.unwrap().iter().all(|chain| chain.heads.is_empty()));
        beside.execute("DROP TRIGGER f").await.unwrap();
        keeper.sign_head(now).await;
        let heads: Vec<usize> = store.chains().await.unwrap().iter().map(|chain| chain.heads.len()).collect();
        assert_eq!(heads, [1]);
    }

    #[tokio::test]
    async fn records_that_cannot_be_taken_away_do_not_keep_the_keeper_from_everything_else() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("gateway.db");
        let url = StoreUrl::Sqlite(file.clone());
        let store = Arc::new(SqlStore::open(&StoreSettings { url, ..StoreSettings::default() }).await.unwrap());
        let now = Timestamp::from_unix_millis(1_000);
        let (writer, audience) = (WriterId("w".to_owned()), Arc::new(Nobody));
        let beginning = Beginning { writer, keys: None, command: "serve", audience, now };
        let (_, keeper) = Recorder::begin(store.clone(), &AuditSettings::default(), beginning).await.unwrap();
        let mut beside = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        // The first record stands in front of a cut, which no gateway leaves behind.
        let cut = "UPDATE audit_chains SET cut_sequence = 9, cut_hash = zeroblob(32), cut_at = 1";
        beside.execute(cut).await.unwrap();
        let later = now.after(keeper.settings.retention.0).after(Duration::from_secs(1));
        let cutting = tokio::time::timeout(Duration::from_secs(20), keeper.cut(later)).await;
        cutting.expect("it ends");
    }

    #[tokio::test]
    async fn what_was_lost_is_told_when_the_store_is_back_although_nobody_is_refused_then() {
        let directory = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(directory.path().join("gateway.db"));
        let store = Arc::new(SqlStore::open(&StoreSettings { url, ..StoreSettings::default() }).await.unwrap());
        let (writer, audience) = (WriterId("w".to_owned()), Arc::new(Nobody));
        let beginning = Beginning { writer, keys: None, command: "serve", audience, now: AT };
        let refusals = RefusalSettings { window: DurationText(Duration::from_millis(5)), ..RefusalSettings::default() };
        let settings = AuditSettings { refusals, ..AuditSettings::default() };
        let (_, keeper) = Recorder::begin(store.clone(), &settings, beginning).await.unwrap();
        keeper.inner.lost.store(8, Ordering::Relaxed);
        let (end, ended) = watch::channel(false);
        let keeping = tokio::spawn(keeper.keep(Arc::new(SystemClock), ended));
        let told = async {
            loop {
                let records = store.records(&AuditFilter::default(), None, 10).await.unwrap();
                if records.iter().any(|record| record.event.contains("records_lost")) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), told).await.expect("their number is recorded");
        end.send(true).unwrap();
        keeping.await.unwrap();
    }

    #[tokio::test]
    async fn what_cannot_be_recorded_is_lost_as_often_as_it_happened() {
        let directory = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(directory.path().join("gateway.db"));
        let store = SqlStore::open(&StoreSettings { url, ..StoreSettings::default() }).await.unwrap();
        let store = Arc::new(store);
        let beginning = Beginning {
            writer: WriterId("w".to_owned()),
            keys: None,
            command: "serve",
            audience: Arc::new(Nobody),
            now: AT,
        };
        let begun = Recorder::begin(store.clone(), &AuditSettings::default(), beginning).await;
        let (_, mut keeper) = begun.unwrap();
        store.close().await;
        let counted = Event { count: Some(7), ..Event::new(Kind::RefusalsCounted, Actor::Gateway) };
        let one = Event::new(Kind::RegistrationRefused, Actor::Gateway);
        keeper.write(vec![(counted, AT), (one, AT)]).await;
        // Their number is lost with the record of it, and is to be recorded later.
        for _ in 0..2 {
            assert_eq!(keeper.inner.lost.load(Ordering::Relaxed), 8);
            keeper.write_counts(AT).await;
        }
    }
}
