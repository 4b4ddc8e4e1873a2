//! Requests to register, kept to try other rules on: told beside the path, never in its way, in bounded number and size, without
//! what is secret.

mod redact;
mod sample;
mod settings;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};

pub(super) use self::redact::NOT_KEPT;
pub use self::settings::ReplaySettings;

use self::sample::Sample;
use super::register;
use crate::clock::{Clock, Timestamp, every};
use crate::policy::approval::ApprovalNeeded;
use crate::policy::{Judged, Profile};
use crate::registrant::Registrant;
use crate::registrant::initial_access_token::VerifiedToken;
use crate::registrant::software_statement::VerifiedStatement;
use crate::registration::redirect_uri::{RedirectUri, whereto};
use crate::store::{
    RecordedRegistrant, RecordedRequest, RecordedStatement, RecordedToken, RequestRecord, RequestsKept, Store,
};
use crate::telemetry::{Decision, RegistrationEvent};

/// So many wait for the store; more are counted and left out.
const LONGEST_QUEUE: usize = 512;
/// So many are written at once.
const LARGEST_BATCH: usize = 64;
/// They gather for so long, so that a flood costs a few writes.
const GATHER: Duration = Duration::from_millis(500);
/// How often what is too old or too much is forgotten, and after how many that were written.
const FORGET_EVERY: Duration = Duration::from_secs(10 * 60);
const FORGET_AFTER: u32 = 2_000;

/// Takes requests; the same for everybody in the process.
#[derive(Clone, Default)]
pub struct RequestRecorder(Option<Arc<Inner>>);

struct Inner {
    told: mpsc::Sender<RequestRecord>,
    sample: Mutex<Sample>,
    left_out: AtomicU64,
}

/// The other end: writes them, and forgets what is too old or too much.
pub struct RequestKeeper {
    inner: Arc<Inner>,
    told: mpsc::Receiver<RequestRecord>,
    settings: ReplaySettings,
    written: u32,
}

/// A request that is to be kept, before it is decided about.
#[derive(Debug)]
pub(super) struct UndecidedRequest {
    registrant: RecordedRegistrant,
    approval: ApprovalNeeded,
    metadata: Map<String, Value>,
}

/// Both ends; the first takes nothing where nothing is to be kept.
pub fn open(settings: ReplaySettings) -> (RequestRecorder, RequestKeeper) {
    let (tell, told) = mpsc::channel(LONGEST_QUEUE);
    let inner = Arc::new(Inner { told: tell, sample: Mutex::default(), left_out: AtomicU64::new(0) });
    let recorder = RequestRecorder(settings.keeps_any().then(|| inner.clone()));
    (recorder, RequestKeeper { inner, told, settings, written: 0 })
}

/// The names of the rules that were violated, each once.
pub(super) fn rules_of(judged: &dyn Judged) -> Vec<String> {
    each_once(judged.violated_rules().into_iter())
}

/// The redirect URIs that the server is to have. Of what is only let through those that are none are among them, as they were written.
pub(super) fn redirect_uris(judged: &dyn Judged) -> Vec<String> {
    let written = judged.metadata().get("redirect_uris").filter(|_| judged.clearance().is_none());
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match written {
        None => judged.redirect_uris().iter().map(|uri| uri.as_str().to_owned()).collect(),
        Some(Value::Array(written)) => written.iter().map(text).collect(),
        Some(other) => vec![text(other)],
    }
}

/// The hosts of [`redirect_uris`], or what else says where they lead.
pub(super) fn redirect_hosts(judged: &dyn Judged) -> Vec<String> {
    match judged.clearance() {
        Some(_) => judged.redirect_uris().iter().map(RedirectUri::host_or_scheme).collect(),
        None => redirect_uris(judged).iter().map(|uri| whereto(uri)).collect(),
    }
}

/// The rules' names: a rule may have been violated by several members.
pub(super) fn each_once<'a>(rules: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for rule in rules {
        if !names.iter().any(|name| name == rule) {
            names.push(rule.to_owned());
        }
    }
    names
}

impl RequestRecorder {
    /// What is kept of a request that was read; none where nothing is kept, or it is too large.
    pub(super) fn begin(
        &self,
        registrant: &Registrant,
        profile: &Profile,
        members: &Map<String, Value>,
        at: Timestamp,
    ) -> Option<UndecidedRequest> {
        let inner = self.0.as_ref()?;
        let key = register::counted_under(registrant).to_string();
        let may_be_kept = inner.sample().may_take(&key, at);
        let Some(metadata) = may_be_kept.then(|| redact::kept(members)).flatten() else {
            inner.left_out.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let token = registrant.token.as_ref();
        let token = token.map(|token: &VerifiedToken| RecordedToken {
            label: token.label(),
            profile: token.profile().map(str::to_owned),
        });
        let registrant = RecordedRegistrant {
            key,
            address: registrant.address,
            certificate: registrant.certificate.as_deref().cloned(),
            token,
            statement: None,
        };
        Some(UndecidedRequest { registrant, approval: profile.approvals().needed, metadata })
    }

    /// Keeps it soon, unless its source has had its share; never waits.
    pub(super) fn tell(&self, request: UndecidedRequest, event: &RegistrationEvent, at: Timestamp) {
        let Some(inner) = &self.0 else { return };
        let is_refused = event.decision == Decision::Refuse;
        let is_taken = inner.sample().takes(&request.registrant.key, is_refused, at);
        if !is_taken || inner.told.try_send(request.decided(event, at)).is_err() {
            inner.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Inner {
    fn sample(&self) -> MutexGuard<'_, Sample> {
        self.sample.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UndecidedRequest {
    /// Its software statement was verified.
    pub(super) fn vouched_for_by(&mut self, statement: &VerifiedStatement) {
        // The claims are an issuer's, but their keys are looked at as the request's are.
        let metadata = redact::kept(&statement.members).unwrap_or_default();
        let (issuer, software_id) = (statement.issuer.clone(), statement.software_id.clone());
        self.registrant.statement = Some(RecordedStatement { issuer, software_id, metadata });
    }

    fn decided(self, event: &RegistrationEvent, at: Timestamp) -> RequestRecord {
        let request = RecordedRequest {
            decision: event.decision.as_str().to_owned(),
            reason: event.reason.to_owned(),
            violations: each_once(event.violations.iter().copied()),
            profile: event.profile.clone(),
            policy_version: event.policy_version.clone(),
            approval: self.approval,
            registration: event.registration_id.clone(),
            client_id: event.client_id.clone(),
            scope_granted: event.scope_granted.clone(),
            scope_withheld: event.scope_withheld.clone(),
            registrant: self.registrant,
            metadata: self.metadata,
        };
        RequestRecord { id: event.request_id.clone(), at, request }
    }
}

impl RequestKeeper {
    /// Keeps at it until `ended` is true; then what is left is written.
    pub async fn keep(mut self, store: &dyn Store, clock: &dyn Clock, mut ended: watch::Receiver<bool>) {
        let mut forgetting = every(FORGET_EVERY);
        let mut batch = Vec::with_capacity(LARGEST_BATCH);
        loop {
            let told = tokio::select! {
                count = self.told.recv_many(&mut batch, LARGEST_BATCH) => count,
                _ = forgetting.tick() => 0,
                _ = ended.wait_for(|ended| *ended) => break,
            };
            if told == 0 || self.written >= FORGET_AFTER {
                self.forget(store, clock.now()).await;
            }
            self.write(store, &mut batch).await;
            if told > 0 && told < LARGEST_BATCH {
                tokio::select! {
                    () = tokio::time::sleep(GATHER) => {}
                    _ = ended.wait_for(|ended| *ended) => {}
                }
            }
        }
        while let Ok(record) = self.told.try_recv() {
            batch.push(record);
        }
        self.write(store, &mut batch).await;
    }

    async fn write(&mut self, store: &dyn Store, batch: &mut Vec<RequestRecord>) {
        while !batch.is_empty() {
            let part: Vec<_> = batch.drain(..batch.len().min(LARGEST_BATCH)).collect();
            let count = part.len();
            match store.keep_requests(part).await {
                Ok(()) => self.written = self.written.saturating_add(u32::try_from(count).unwrap_or(u32::MAX)),
                Err(error) => {
                    self.inner.left_out.fetch_add(count as u64, Ordering::Relaxed);
                    tracing::warn!(%error, count, "requests are not kept for `replay`");
                }
            }
        }
    }

    async fn forget(&mut self, store: &dyn Store, now: Timestamp) {
        self.written = 0;
        let left_out = self.inner.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            tracing::info!(left_out, "more requests than are kept for `replay`: a sample of them is");
        }
        let ReplaySettings { keep, maximum } = self.settings;
        let kept = RequestsKept { since: now.before(keep.0), most: maximum, most_refused: maximum / 2 };
        if let Err(error) = store.forget_requests(kept).await {
            tracing::warn!(%error, "old requests cannot be forgotten");
        }
    }
}
