//! Receivers of alerts out of the configuration, and what the gateway tells of its own health, which its parts are asked for regularly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::StartError;
use super::compose::{secret, secrets};
use crate::alert::{Alerts, Condition, Deliverer, Links, Reach, Receiver, Routing, Secrets};
use crate::audit::Recorder;
use crate::authorization_server::paths::ClosedPaths;
use crate::clock::{Clock, Timestamp, every};
use crate::config::Config;
use crate::fetch::{self, FetchClient};
use crate::intake::Intake;
use crate::proxy::Proxy;
use crate::randomness;
use crate::store::{Store, Telling};

/// How often the gateway's own health is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How often a condition that lasts is told again: a receiver that hears no more of it would take it to be over.
const TELL_AGAIN: Duration = Duration::from_secs(60 * 60);

/// The receivers and silences of the configuration; reads the secrets that it names.
///
/// # Errors
/// A file, or a setting.
pub fn alert_routing(config: &Config) -> Result<Routing, StartError> {
    let settings = &config.settings;
    let links = Links { console: settings.admin.console().map(str::to_owned) };
    let (silences, longest_fetch) = (settings.silences.clone(), settings.fetch.timeout.0);
    if settings.alerts.is_empty() {
        return Ok(Routing { receivers: Vec::new(), silences, links, longest_fetch });
    }
    let trust = fetch::trusted(&settings.fetch)?;
    let reach = Reach {
        client: FetchClient::new(&settings.fetch)?,
        trust: trust.into_iter().map(|der| der.to_vec()).collect(),
        gateway: config.public_url.clone(),
    };
    let receivers = settings.alerts.iter().map(|receiver| {
        let read = |file: Option<&std::path::PathBuf>| file.map(|file| secret(file)).transpose();
        let secrets = Secrets {
            // While one takes another's place there are several.
            signing: receiver.secret_file.as_deref().map(secrets).transpose()?,
            bearer: read(receiver.bearer_token_file.as_ref())?,
            password: read(receiver.smtp.as_ref().and_then(|smtp| smtp.password_file.as_ref()))?,
        };
        Receiver::new(receiver, secrets, &reach).map(Arc::new).map_err(StartError::Alerts)
    });
    Ok(Routing { receivers: receivers.collect::<Result<_, _>>()?, silences, links, longest_fetch })
}

/// Delivers what receivers are to be told.
pub(super) fn deliverer(
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    audit: &Recorder,
    alerts: &Arc<Alerts>,
) -> Deliverer {
    Deliverer {
        store: store.clone(),
        clock: clock.clone(),
        audit: audit.clone(),
        alerts: alerts.clone(),
        randomness: randomness::of_the_system,
    }
}

/// Looks at what the gateway's parts say of themselves, and tells what begins and what is over.
pub(super) struct HealthWatch {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) alerts: Arc<Alerts>,
    pub(super) intake: Arc<Intake>,
    pub(super) proxy: Arc<Proxy>,
    pub(super) closed_paths: ClosedPaths,
}

impl HealthWatch {
    /// Keeps at it until `stopped` is true.
    pub(super) async fn run(self, mut stopped: watch::Receiver<bool>) {
        let mut looks = every(LOOK_EVERY);
        let mut known = Known::default();
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                _ = stopped.wait_for(|stopped| *stopped) => return,
            }
            if self.alerts.is_nobody() {
                continue;
            }
            let now = self.clock.now();
            let (wrong, right) = self.conditions(now);
            let told = known.news(wrong, right, now).into_iter().flat_map(|news| self.alerts.of(news));
            if let Err(error) = self.store.tell(told.collect::<Vec<Telling>>()).await {
                tracing::debug!(%error, "the health of the gateway cannot be told: the store is away");
                // All of it is told when the store is back.
                known = Known::default();
            }
        }
    }

    /// What is wrong, and what could be and is not.
    fn conditions(&self, now: Timestamp) -> (Vec<Condition>, Vec<Condition>) {
        let (mut wrong, mut right) = (Vec::new(), Vec::new());
        let is_reachable = self.intake.throttle_standing().is_reachable;
        if is_reachable { &mut right } else { &mut wrong }.push(Condition::ThrottleUnreachable);
        for end in self.proxy.file_ends() {
            let condition = Condition::FileEnding {
                file: end.file.display().to_string(),
                kind: end.kind.as_str(),
                ends: Timestamp::from_unix_millis(end.ends.saturating_mul(1000)),
            };
            if end.is_ending(now) { &mut wrong } else { &mut right }.push(condition);
        }
        wrong.extend(self.closed_paths.all().into_iter().map(|path| Condition::RegistrationElsewhere { path }));
        (wrong, right)
    }
}

/// What was seen the last time, by key.
#[derive(Default)]
struct Known {
    /// Wrong once: it may be over the next time, and is not told yet.
    seen_once: BTreeSet<String>,
    /// Told, and when.
    told: BTreeMap<String, (Condition, Timestamp)>,
    /// Known to be right: those who were told otherwise, by whichever process, know it.
    right: BTreeSet<String>,
}

impl Known {
    fn news(&mut self, wrong: Vec<Condition>, right: Vec<Condition>, now: Timestamp) -> Vec<crate::alert::News> {
        let mut news = Vec::new();
        let seen_before = std::mem::take(&mut self.seen_once);
        let seen: BTreeSet<String> = wrong.iter().chain(&right).map(Condition::key).collect();
        // What nobody sees any more is over: a file that is no longer in the configuration.
        let gone =
            self.told.iter().filter(|(key, _)| !seen.contains(*key)).map(|(_, (condition, _))| condition.clone());
        let gone: Vec<_> = gone.collect();
        for condition in wrong {
            let key = condition.key();
            self.right.remove(&key);
            let is_due = self.told.get(&key).is_none_or(|(_, at)| now.since(*at) >= TELL_AGAIN);
            if is_due && (seen_before.contains(&key) || self.told.contains_key(&key)) {
                news.push(condition.begins(now));
                self.told.insert(key, (condition, now));
            } else if is_due {
                self.seen_once.insert(key);
            }
        }
        for condition in right.into_iter().chain(gone) {
            let key = condition.key();
            self.told.remove(&key);
            if self.right.insert(key) {
                news.push(condition.ends(now));
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Status;

    fn statuses(known: &mut Known, is_wrong: bool, seconds: i64) -> Vec<Status> {
        let throttle = vec![Condition::ThrottleUnreachable];
        let (wrong, right) = if is_wrong { (throttle, Vec::new()) } else { (Vec::new(), throttle) };
        let now = Timestamp::from_unix_millis(seconds * 1000);
        known.news(wrong, right, now).into_iter().map(|news| news.notice.status).collect()
    }

    #[test]
    fn how_long_a_receiver_may_take_is_what_the_configuration_in_force_says() {
        let text = concat!(include_str!("../../tests/config/good/least.yaml"), "fetch: { timeout: 2m }\n");
        let config = crate::config::from_text(text, "gateway.yaml".as_ref(), &|_| None).unwrap();
        assert_eq!(alert_routing(&config).unwrap().longest_fetch.as_secs(), 120);
    }

    #[tokio::test]
    async fn a_webhook_has_a_secret_on_each_line_of_its_file() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().unwrap();
        let lines = format!("{}\n{}\n", "a".repeat(24), "b".repeat(24));
        std::fs::write(directory.path().join("webhook"), lines).unwrap();
        let yaml = "public_url: https://as.example.com\n\
             listeners: [{ address: 127.0.0.1:0 }]\n\
             authorization_server: { kind: rfc7591, issuer: \"https://as.example.com\", url: \"http://127.0.0.1:1\",\n\
             \x20 registration_path: /register, credential: none }\n\
             store: { url: \"sqlite://gateway.db\" }\n\
             alerts: [{ webhook: \"https://hooks.example.com/dcr\", secret_file: webhook }]\n\
             profiles: [{ name: mcp, preset: mcp, match: {} }]\n";
        let file = directory.path().join("gateway.yaml");
        std::fs::write(&file, yaml).unwrap();
        let config = crate::config::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(alert_routing(&config).unwrap().receivers.len(), 1);
    }

    #[test]
    fn what_is_wrong_twice_is_told_once_an_hour_and_its_end_once() {
        let (wrong, right) = (std::convert::identity(true), std::convert::identity(false));
        let mut known = Known::default();
        assert_eq!(statuses(&mut known, right, 0), [Status::Resolved], "whoever was told before hears that it is over");
        assert_eq!(statuses(&mut known, wrong, 10), []);
        assert_eq!(statuses(&mut known, wrong, 20), [Status::Firing]);
        assert_eq!(statuses(&mut known, wrong, 30), []);
        assert_eq!(statuses(&mut known, wrong, 3620), [Status::Firing]);
        assert_eq!(statuses(&mut known, right, 3630), [Status::Resolved]);
        assert_eq!(statuses(&mut known, right, 3640), []);
        assert_eq!(statuses(&mut known, wrong, 3650), [], "a moment is nothing to tell");
        assert_eq!(statuses(&mut known, right, 3660), [Status::Resolved]);
    }

    #[test]
    fn a_file_that_is_no_longer_in_the_configuration_ends_no_more() {
        let ending = || Condition::FileEnding {
            file: "old.pem".to_owned(),
            kind: "server_certificate",
            ends: Timestamp::from_unix_millis(60_000),
        };
        let mut known = Known::default();
        let mut told = |wrong: Vec<Condition>, seconds: i64| {
            let now = Timestamp::from_unix_millis(seconds * 1000);
            let news = known.news(wrong, Vec::new(), now).into_iter();
            news.map(|news| (news.notice.key, news.notice.status)).collect::<Vec<_>>()
        };
        assert_eq!(told(vec![ending()], 0), []);
        assert_eq!(told(vec![ending()], 10), [(ending().key(), Status::Firing)]);
        assert_eq!(told(Vec::new(), 20), [(ending().key(), Status::Resolved)]);
        assert_eq!(told(Vec::new(), 30), []);
    }
}
