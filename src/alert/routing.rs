//! Who is told: the receivers and silences in force, which a reload replaces, and what each receiver is to be told of what happens.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::notice::Notice;
use super::receiver::Receiver;
use super::silence::SilenceSettings;
use super::told::{self, News};
use crate::anomaly::Finding;
use crate::audit::{Audience, Event};
use crate::clock::Timestamp;
use crate::percent::percent_encoded;
use crate::randomness::{self, Randomness};
use crate::store::{SignedHead, Telling};
use crate::telemetry::metrics;

/// Where notices lead.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// Where browsers reach the console: scheme, host and port.
    pub console: Option<String>,
}

/// Who is told of what: a reload replaces it.
#[derive(Default)]
pub struct Routing {
    /// Who is told.
    pub receivers: Vec<Arc<Receiver>>,
    /// What nobody is told of.
    pub silences: Vec<SilenceSettings>,
    /// Where notices lead.
    pub links: Links,
    /// How long one message takes at most: `fetch.timeout`.
    pub longest_fetch: Duration,
}

/// Turns what happens into what receivers are to be told.
pub struct Alerts {
    routing: ArcSwap<Routing>,
    randomness: Randomness,
}

impl Links {
    fn of(&self, notice: &Notice) -> Option<String> {
        let console = self.console.as_deref()?;
        let client = notice.client_id().map(|id| format!("#/clients/{}", percent_encoded(id)));
        Some(format!("{console}/console/{}", client.unwrap_or_default()))
    }
}

impl Routing {
    fn tellings(&self, news: News, randomness: Randomness) -> Vec<Telling> {
        if self.receivers.is_empty() {
            return Vec::new();
        }
        if self.silences.iter().any(|silence| silence.is_about(&news.notice)) {
            metrics().alert_silenced();
            return Vec::new();
        }
        let link = self.links.of(&news.notice);
        let news = News { notice: Notice { link, ..news.notice }, ..news };
        let name = || randomness::name(randomness);
        self.receivers.iter().filter_map(|receiver| receiver.telling(&news, name)).collect()
    }
}

impl Alerts {
    /// Tells these receivers.
    pub fn new(routing: Routing, randomness: Randomness) -> Self {
        Self { routing: ArcSwap::from_pointee(routing), randomness }
    }

    /// Tells others from now on.
    pub fn replace(&self, routing: Routing) {
        self.routing.store(Arc::new(routing));
    }

    /// Who is told now.
    pub fn routing(&self) -> Arc<Routing> {
        self.routing.load_full()
    }

    /// Whether nobody is told anything.
    pub fn is_nobody(&self) -> bool {
        self.routing.load().receivers.is_empty()
    }

    /// What receivers are to be told of this.
    pub fn of(&self, news: News) -> Vec<Telling> {
        self.routing.load().tellings(news, self.randomness)
    }

    /// What receivers are to be told of a finding.
    pub fn of_finding(&self, finding: &Finding) -> Vec<Telling> {
        if self.is_nobody() { Vec::new() } else { self.of(told::of_finding(finding)) }
    }
}

impl Audience for Alerts {
    fn of_event(&self, event: &Event, at: Timestamp) -> Vec<Telling> {
        if self.is_nobody() {
            return Vec::new();
        }
        told::of_event(event, at).map(|news| self.of(news)).unwrap_or_default()
    }

    fn of_head(&self, head: &SignedHead) -> Vec<Telling> {
        if self.is_nobody() { Vec::new() } else { self.of(told::of_head(head)) }
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::alert::message::Reach;
    use crate::alert::notice::Topic;
    use crate::alert::receiver::Secrets;
    use crate::alert::settings::ReceiverSettings;
    use crate::fetch::FetchClient;
    use crate::fetch::settings::FetchSettings;
    use crate::secret::Secret;
    use crate::store::{self, Form};

    const AT: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

    fn alerts(receivers: &[&str], silences: &str) -> Alerts {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let reach = Reach {
            client: FetchClient::new(&FetchSettings::default()).unwrap(),
            trust: Vec::new(),
            gateway: "https://sso.example.com".to_owned(),
        };
        let receiver = |yaml: &&str| {
            let settings: ReceiverSettings = serde_yaml::from_str(yaml).unwrap();
            let secrets = Secrets { signing: Some(Secret::new("a".repeat(24))), ..Secrets::default() };
            Arc::new(Receiver::new(&settings, secrets, &reach).unwrap())
        };
        let routing = Routing {
            receivers: receivers.iter().map(receiver).collect(),
            silences: serde_yaml::from_str(silences).unwrap(),
            links: Links { console: Some("https://admin.example".to_owned()) },
            longest_fetch: Duration::ZERO,
        };
        Alerts::new(routing, |octets| octets.fill(7))
    }

    fn pending() -> News {
        let notice = Notice::new(Topic::Pending, "client_pending", "pending/a b", AT).about("client", "a b/<c>");
        News::lasting(notice, AT.after(Duration::from_secs(7 * 24 * 3600)))
    }

    const HOOK: &str = "{ name: hook, webhook: https://hooks.example/, secret_file: s, group_for: 10s }";
    const MANAGER: &str = "{ name: manager, alertmanager: https://alerts.example }";

    #[test]
    fn each_receiver_is_told_in_its_own_way_with_the_link_to_the_console() {
        let told = alerts(&[HOOK, MANAGER], "[]").of(pending());
        let [hook, manager] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(hook.form, Form::Gathered { group: "pending".to_owned(), until: AT.after(Duration::from_secs(10)) });
        assert!(matches!(manager.form, Form::Lasting { .. }));
        assert!(hook.notice.contains("https://admin.example/console/#/clients/a%20b%2F%3Cc%3E"), "{}", hook.notice);
        // Remembered as long as it waits, not only as long as it is not repeated.
        let quiet_until = AT.after(Duration::from_secs(7 * 24 * 3600));
        assert_eq!(hook.occasion, store::Occasion::Begins { quiet_until });
        assert_eq!(hook.delivery, "07".repeat(16));
    }

    #[test]
    fn what_is_over_at_once_is_nothing_for_an_alertmanager() {
        let once = News::once(Notice::new(Topic::Health, "registration_unknown", "r", AT));
        assert_eq!(alerts(&[MANAGER], "[]").of(once.clone()), []);
        assert_eq!(alerts(&[HOOK], "[]").of(once).len(), 1);
    }

    #[test]
    fn a_receiver_hears_of_what_it_asked_for_and_of_scores_from_its_minimum_on() {
        let finding = |score| {
            let notice = Notice::new(Topic::Findings, "probing", "f", AT);
            News::lasting(Notice { score: Some(score), ..notice }, AT)
        };
        let picky = "{ webhook: https://a.example/, secret_file: s, on: [findings], minimum_score: 0.75 }";
        let alerts = alerts(&[picky], "[]");
        assert_eq!(alerts.of(finding(0.74)).len() + alerts.of(pending()).len(), 0);
        assert_eq!(alerts.of(finding(0.75)).len(), 1);
    }

    #[test]
    fn what_is_silenced_is_told_nobody_until_the_silence_is_over() {
        let silence = |what: &str| format!("[{{ {what}, until: \"2023-11-14T22:13:21Z\" }}]");
        for (what, told) in [
            ("name: client_pending", 0),
            ("name: probing", 1),
            ("subject: \"a b/<c>\"", 0),
            ("name: client_pending, subject: another", 1),
            ("profile: mcp", 1),
        ] {
            assert_eq!(alerts(&[HOOK], &silence(what)).of(pending()).len(), told, "{what}");
        }
        let later = News { notice: Notice { at: AT.after(Duration::from_secs(1)), ..pending().notice }, ..pending() };
        assert_eq!(alerts(&[HOOK], &silence("name: client_pending")).of(later).len(), 1);
    }
}
