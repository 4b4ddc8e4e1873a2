//! The keys of somebody who signs: from a file, or fetched and kept for a while. One fetch at a time, few fetches whatever tokens
//! come; keys that were good go on serving for a bounded time when the issuer is down.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderValue};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::fetch::{FetchClient, FetchRequest, Target};
use crate::jose::{self, Algorithm, JoseError, KeySet};

/// The largest key set that is read, in bytes.
const LARGEST: usize = 256 * 1024;

/// How long keys are fresh when the issuer does not say.
const FRESH: Duration = Duration::from_secs(600);

/// The bounds of what the issuer says (`Cache-Control: max-age`).
const LEAST_FRESH: Duration = Duration::from_secs(60);
const MOST_FRESH: Duration = Duration::from_secs(3600);

/// How long keys serve past their freshness while the issuer cannot be reached.
const STALE: Duration = Duration::from_secs(3600);

/// A token with a key nobody knows may make us look again; not more often than this.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// After a failure, the next attempt.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// For so long after a failure nobody waits for the next attempt who can do with the keys there are.
const NOT_WAITED_FOR: Duration = Duration::from_secs(30);

/// There are no keys to verify with, and nothing is known about the token. For the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the keys of {issuer} cannot be had: {cause}")]
pub struct KeysUnavailable {
    /// Whose keys.
    pub issuer: String,
    /// Why.
    pub cause: String,
}

/// The keys of one issuer.
pub enum IssuerKeys {
    /// Read from a file, with the configuration.
    Read(Arc<KeySet>),
    /// Fetched from a URL.
    Fetched(Arc<FetchedKeys>),
}

impl IssuerKeys {
    /// The keys of a file.
    ///
    /// # Errors
    /// It cannot be read, is no key set, or has no key that can verify.
    pub fn read(file: &Path) -> Result<Self, String> {
        let document = std::fs::read(file).map_err(|error| format!("the file cannot be read: {error}"))?;
        let keys = KeySet::parse(&document).map_err(|error| format!("the file holds no key set: {error}"))?;
        if keys.is_empty() {
            let why: Vec<String> = keys.passed_over().iter().map(|key| format!("; {key}")).collect();
            return Err(format!("the file holds no key that can verify{}", why.concat()));
        }
        Ok(Self::Read(Arc::new(keys)))
    }

    /// The claims of a JWT, once one of the keys was seen to have signed it. A key that nobody knows may be a new one: the keys are
    /// looked at again then, which is kept rare.
    ///
    /// # Errors
    /// There are no keys, or none of them signed it.
    pub async fn signed_claims<E>(
        &self,
        jwt: &str,
        algorithms: &[Algorithm],
        now: Timestamp,
    ) -> Result<Map<String, Value>, E>
    where
        E: From<KeysUnavailable> + From<JoseError>,
    {
        let keys = self.current(now).await?;
        let others = match jose::verify(jwt, &keys, algorithms) {
            Err(JoseError::UnknownKey) => self.others_than(&keys, now).await.ok_or(JoseError::UnknownKey)?,
            verified => return Ok(verified?),
        };
        Ok(jose::verify(jwt, &others, algorithms)?)
    }

    /// The keys to verify with at `now`.
    ///
    /// # Errors
    /// They were never fetched, or too long ago.
    async fn current(&self, now: Timestamp) -> Result<Arc<KeySet>, KeysUnavailable> {
        match self {
            Self::Read(keys) => Ok(keys.clone()),
            Self::Fetched(fetched) => fetched.current(now).await,
        }
    }

    /// Other keys than `seen`, which do not have the one that is looked for; none where there are no others.
    async fn others_than(&self, seen: &Arc<KeySet>, now: Timestamp) -> Option<Arc<KeySet>> {
        match self {
            Self::Read(_) => None,
            Self::Fetched(fetched) => fetched.others_than(seen, now).await,
        }
    }

    /// Takes over what `earlier` fetched from the same place: a reload forgets nothing.
    pub fn remember(&self, earlier: &Self) {
        if let (Self::Fetched(own), Self::Fetched(earlier)) = (self, earlier)
            && own.target == earlier.target
        {
            own.known.store(earlier.known.load_full());
        }
    }
}

/// Keys that are published at a URL.
pub struct FetchedKeys {
    issuer: String,
    client: FetchClient,
    target: Target,
    known: ArcSwapOption<Known>,
    latest: ArcSwap<Attempt>,
    /// Whose turn it is to fetch.
    turn: tokio::sync::Mutex<()>,
}

struct Known {
    keys: Arc<KeySet>,
    fetched_at: Timestamp,
    fresh_for: Duration,
}

impl Known {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.fetched_at.lasts(self.fresh_for, now)
    }
}

/// The latest attempt to fetch.
#[derive(Default)]
struct Attempt {
    at: Option<Timestamp>,
    failure: Option<String>,
}

impl Attempt {
    /// Whether it began so long ago, or never.
    fn is_past(&self, pause: Duration, now: Timestamp) -> bool {
        !self.at.is_some_and(|at| at.lasts(pause, now))
    }
}

/// Why keys are fetched.
enum Need {
    /// There are none, or they are no longer fresh.
    Fresh,
    /// These lack one.
    OthersThan(Arc<KeySet>),
}

impl FetchedKeys {
    /// Keys that were not fetched yet.
    pub fn new(issuer: String, client: FetchClient, target: Target) -> Arc<Self> {
        let (known, latest, turn) = (ArcSwapOption::empty(), ArcSwap::default(), tokio::sync::Mutex::default());
        Arc::new(Self { issuer, client, target, known, latest, turn })
    }

    async fn current(self: &Arc<Self>, now: Timestamp) -> Result<Arc<KeySet>, KeysUnavailable> {
        if let Some(known) = self.known.load().as_ref().filter(|known| known.is_fresh(now)) {
            return Ok(known.keys.clone());
        }
        if let Some(keys) = self.serving(now).filter(|_| self.failed_lately(now)) {
            self.fetch_in_background(now);
            return Ok(keys);
        }
        let failure = self.fetch(Need::Fresh, now).await;
        let unavailable = || KeysUnavailable { issuer: self.issuer.clone(), cause: failure.unwrap_or_default() };
        self.serving(now).ok_or_else(unavailable)
    }

    /// The keys that serve, fresh or not.
    fn serving(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        let known = self.known.load();
        known
            .as_ref()
            .filter(|known| now < known.fetched_at.after(known.fresh_for + STALE))
            .map(|known| known.keys.clone())
    }

    fn failed_lately(&self, now: Timestamp) -> bool {
        let latest = self.latest.load();
        latest.failure.is_some() && !latest.is_past(NOT_WAITED_FOR, now)
    }

    async fn others_than(self: &Arc<Self>, seen: &Arc<KeySet>, now: Timestamp) -> Option<Arc<KeySet>> {
        self.fetch(Need::OthersThan(seen.clone()), now).await;
        let known = self.known.load();
        known.as_ref().map(|known| known.keys.clone()).filter(|keys| !Arc::ptr_eq(keys, seen))
    }

    /// In a task of its own: a caller that goes away does not take the fetch with it. The answer is the last failure.
    async fn fetch(self: &Arc<Self>, need: Need, now: Timestamp) -> Option<String> {
        let own = self.clone();
        let task = tokio::spawn(async move { own.fetch_when_due(need, now).await });
        task.await.unwrap_or_else(|error| Some(error.to_string()))
    }

    /// Unless somebody is at it.
    fn fetch_in_background(self: &Arc<Self>, now: Timestamp) {
        if self.turn.try_lock().is_ok() && self.is_due(&Need::Fresh, now) {
            let own = self.clone();
            tokio::spawn(async move { own.fetch_when_due(Need::Fresh, now).await });
        }
    }

    async fn fetch_when_due(&self, need: Need, now: Timestamp) -> Option<String> {
        let _turn = self.turn.lock().await;
        if !self.is_due(&need, now) {
            return self.latest.load().failure.clone();
        }
        let failure = match self.ask(now).await {
            Ok(known) => {
                self.known.store(Some(Arc::new(known)));
                None
            }
            Err(cause) => {
                tracing::warn!(issuer = self.issuer, from = ?self.target, cause, "keys were not fetched");
                Some(cause)
            }
        };
        self.latest.store(Arc::new(Attempt { at: Some(now), failure: failure.clone() }));
        failure
    }

    fn is_due(&self, need: &Need, now: Timestamp) -> bool {
        let (known, latest) = (self.known.load(), self.latest.load());
        match (need, known.as_ref()) {
            (Need::Fresh, Some(known)) if known.is_fresh(now) => false,
            (Need::Fresh, _) => latest.failure.is_none() || latest.is_past(TRY_AGAIN, now),
            (Need::OthersThan(seen), Some(known)) => Arc::ptr_eq(seen, &known.keys) && latest.is_past(LOOK_AGAIN, now),
            (Need::OthersThan(_), None) => latest.is_past(LOOK_AGAIN, now),
        }
    }

    async fn ask(&self, now: Timestamp) -> Result<Known, String> {
        let mut request = FetchRequest::get(LARGEST);
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        let fetched = self.client.fetch(&self.target, request).await.map_err(|error| error.to_string())?;
        if fetched.status != http::StatusCode::OK {
            return Err(format!("the answer was {}", fetched.status.as_u16()));
        }
        let keys = KeySet::parse(&fetched.body).map_err(|error| error.to_string())?;
        for passed_over in keys.passed_over() {
            tracing::debug!(issuer = self.issuer, "a key is not used: {passed_over}");
        }
        if keys.is_empty() {
            return Err("there is no key in it that can verify".to_owned());
        }
        Ok(Known { keys: Arc::new(keys), fetched_at: now, fresh_for: freshness(&fetched.headers) })
    }
}

/// What `Cache-Control` says, within our bounds (RFC 9111 §5.2.2).
fn freshness(headers: &HeaderMap) -> Duration {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let mut said = None;
    for directive in lines.flat_map(|line| line.split(',')).map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return LEAST_FRESH;
        }
        if name.eq_ignore_ascii_case("max-age") {
            said = value.trim_matches('"').parse().ok();
        }
    }
    said.map_or(FRESH, Duration::from_secs).clamp(LEAST_FRESH, MOST_FRESH)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::task::Poll;

    use axum::Router;
    use axum::extract::State;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use axum::routing::get;

    use super::*;
    use crate::duration::DurationText;
    use crate::fetch::settings::FetchSettings;
    use crate::jose::signing::Signer;
    use crate::jose::{self, Algorithm, JoseError};

    const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        NOW.after(Duration::from_secs(seconds))
    }

    /// A server that publishes what it is told to, and counts.
    struct Issuer {
        asked: AtomicUsize,
        is_silent: AtomicBool,
        answer: Mutex<(StatusCode, String)>,
    }

    impl Issuer {
        async fn publishing(signer: &Signer) -> (Arc<Self>, IssuerKeys) {
            let (asked, is_silent) = (AtomicUsize::new(0), AtomicBool::new(false));
            let issuer = Arc::new(Self { asked, is_silent, answer: Mutex::default() });
            issuer.publish(signer);
            async fn answer(State(issuer): State<Arc<Issuer>>) -> impl IntoResponse {
                issuer.asked.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                if issuer.is_silent.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                let (status, body) = issuer.answer.lock().unwrap().clone();
                (status, [(CACHE_CONTROL, "public, max-age=300")], body)
            }
            let router = Router::new().route("/jwks", get(answer)).with_state(issuer.clone());
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/jwks", listener.local_addr().unwrap());
            tokio::spawn(async move { axum::serve(listener, router).await });
            let client = FetchClient::new(&FetchSettings::default()).unwrap();
            let keys = FetchedKeys::new("https://idp.example".into(), client, Target::configured(&url).unwrap());
            (issuer, IssuerKeys::Fetched(keys))
        }

        fn publish(&self, signer: &Signer) {
            *self.answer.lock().unwrap() = (StatusCode::OK, signer.jwks().to_string());
        }

        fn fail(&self) {
            *self.answer.lock().unwrap() = (StatusCode::SERVICE_UNAVAILABLE, String::new());
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }

        /// Waits until it was asked so often, and no more, and what came of it is known.
        async fn until_asked(&self, times: usize, keys: &IssuerKeys) {
            let IssuerKeys::Fetched(fetched) = keys else { panic!("they are fetched") };
            while self.asked() < times {
                tokio::task::yield_now().await;
            }
            drop(fetched.turn.lock().await);
            assert_eq!(self.asked(), times);
        }
    }

    #[tokio::test]
    async fn many_at_once_fetch_once_and_again_when_no_longer_fresh() {
        let (issuer, keys) = Issuer::publishing(&Signer::new(Algorithm::EdDsa, "a")).await;
        let (a, b, c) = tokio::join!(keys.current(NOW), keys.current(NOW), keys.current(NOW));
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        assert_eq!(issuer.asked(), 1);
        keys.current(after(299)).await.unwrap();
        assert_eq!(issuer.asked(), 1);
        keys.current(after(300)).await.unwrap();
        assert_eq!(issuer.asked(), 2);
    }

    #[tokio::test]
    async fn what_was_fetched_by_a_clock_that_was_ahead_is_fresh_no_longer_than_by_a_right_one() {
        let (issuer, keys) = Issuer::publishing(&Signer::new(Algorithm::EdDsa, "a")).await;
        let seen = keys.current(after(86_400)).await.unwrap();
        keys.others_than(&seen, after(86_400 + 100)).await;
        assert_eq!(issuer.asked(), 2);
        // It was set right.
        let seen = keys.current(NOW).await.unwrap();
        assert_eq!(issuer.asked(), 3);
        keys.others_than(&seen, after(30)).await;
        assert_eq!(issuer.asked(), 4);
    }

    #[tokio::test]
    async fn a_rotated_key_is_found_and_unknown_ones_make_nobody_fetch_all_the_time() {
        let (old, new) = (Signer::new(Algorithm::EdDsa, "old"), Signer::new(Algorithm::EdDsa, "new"));
        let (issuer, keys) = Issuer::publishing(&old).await;
        let seen = keys.current(NOW).await.unwrap();
        issuer.publish(&new);
        assert!(keys.others_than(&seen, after(29)).await.is_none());
        let (a, b) = tokio::join!(keys.others_than(&seen, after(30)), keys.others_than(&seen, after(30)));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert!(Arc::ptr_eq(&a, &b));
        assert_eq!(issuer.asked(), 2);
        let verify = |keys: &KeySet| jose::verify(&new.sign(&serde_json::json!({})), keys, &[Algorithm::EdDsa]);
        assert_eq!(verify(&seen), Err(JoseError::UnknownKey));
        assert!(verify(&a).is_ok());
        assert!(keys.others_than(&a, after(59)).await.is_none());
        assert_eq!(issuer.asked(), 2);
    }

    #[tokio::test]
    async fn good_keys_serve_for_a_while_when_the_issuer_is_down_and_no_longer() {
        let (issuer, keys) = Issuer::publishing(&Signer::new(Algorithm::EdDsa, "a")).await;
        keys.current(NOW).await.unwrap();
        issuer.fail();
        keys.current(after(300)).await.unwrap();
        keys.current(after(304)).await.unwrap();
        assert_eq!(issuer.asked(), 2, "asked again too soon after a failure");
        keys.current(after(300 + 3599)).await.unwrap();
        issuer.until_asked(3, &keys).await;
        let gone = keys.current(after(300 + 3605)).await.unwrap_err();
        assert_eq!(gone.to_string(), "the keys of https://idp.example cannot be had: the answer was 503");
    }

    #[tokio::test]
    async fn what_is_no_key_set_replaces_nothing() {
        let signer = Signer::new(Algorithm::EdDsa, "a");
        let (issuer, keys) = Issuer::publishing(&signer).await;
        let seen = keys.current(NOW).await.unwrap();
        for (number, body) in
            ["<html>", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AA"}]}"#].iter().enumerate()
        {
            *issuer.answer.lock().unwrap() = (StatusCode::OK, (*body).to_owned());
            let later = after(300 + 5 * number as u64);
            assert!(Arc::ptr_eq(&keys.current(later).await.unwrap(), &seen), "{body}");
            issuer.until_asked(number + 2, &keys).await;
        }
    }

    #[tokio::test]
    async fn one_attempt_is_waited_for_when_the_issuer_says_nothing_and_the_keys_serve_meanwhile() {
        let (issuer, keys) = Issuer::publishing(&Signer::new(Algorithm::EdDsa, "a")).await;
        let IssuerKeys::Fetched(fetched) = &keys else { panic!("they are fetched") };
        let timeout = DurationText(Duration::from_secs(2));
        let client = FetchClient::new(&FetchSettings { timeout, ..FetchSettings::default() }).unwrap();
        let keys = IssuerKeys::Fetched(FetchedKeys::new("a".into(), client, fetched.target.clone()));
        keys.current(NOW).await.unwrap();
        issuer.is_silent.store(true, Ordering::SeqCst);
        keys.current(after(300)).await.unwrap();
        assert_eq!(issuer.asked(), 2);
        for seconds in [305, 306, 307] {
            let mut asking = Box::pin(keys.current(after(seconds)));
            let now = std::future::poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx)));
            assert!(now.await.is_ready(), "after {seconds} seconds");
        }
        issuer.until_asked(3, &keys).await;
        issuer.is_silent.store(false, Ordering::SeqCst);
        keys.current(after(320)).await.unwrap();
        issuer.until_asked(4, &keys).await;
        keys.current(after(620 - 1)).await.unwrap();
        assert_eq!(issuer.asked(), 4, "they are fresh again");
        // What failed long ago says nothing of the next attempt: an hour later a key may have been taken back.
        issuer.fail();
        keys.current(after(620)).await.unwrap();
        issuer.publish(&Signer::new(Algorithm::EdDsa, "b"));
        let seen = keys.current(after(700)).await.unwrap();
        assert_eq!(issuer.asked(), 6);
        assert!(Arc::ptr_eq(&seen, &keys.current(after(701)).await.unwrap()));
    }

    #[tokio::test]
    async fn a_reload_keeps_what_was_fetched_from_the_same_place() {
        let (issuer, keys) = Issuer::publishing(&Signer::new(Algorithm::EdDsa, "a")).await;
        keys.current(NOW).await.unwrap();
        let IssuerKeys::Fetched(fetched) = &keys else { panic!("they are fetched") };
        let reloaded =
            IssuerKeys::Fetched(FetchedKeys::new("b".into(), fetched.client.clone(), fetched.target.clone()));
        reloaded.remember(&keys);
        reloaded.current(after(1)).await.unwrap();
        assert_eq!(issuer.asked(), 1);
    }

    #[test]
    fn freshness_is_the_issuers_within_bounds() {
        for (said, seconds) in [
            ("max-age=300", 300),
            ("public, Max-Age=\"300\"", 300),
            ("max-age=0", 60),
            ("max-age=86400", 3600),
            ("no-store", 60),
            ("max-age=3000, no-cache", 60),
            ("private", 600),
            ("max-age=soon", 600),
        ] {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(said))]);
            assert_eq!(freshness(&headers).as_secs(), seconds, "{said}");
        }
        assert_eq!(freshness(&HeaderMap::new()), FRESH);
    }
}
