//! What is told of what is recorded: out of an audit event, a finding, a signed head comes a notice, or none. Pure. Receivers are told in the
//! transaction that the event is recorded in.

use crate::anomaly::{Band, DetectorName, Finding};
use crate::audit::event::{Decided, Responded, Waits};
use crate::audit::{Actor, Event, Kind, Subject};
use crate::clock::Timestamp;
use crate::registration::excerpt::{AtLength, Excerpt};
use crate::store::{Interest, SignedHead};

use super::health;
use super::notice::{About, Ended, Notice, Severity, Status, Topic};

/// How long a finding is shown by a receiver of what lasts.
const FINDING_LASTS: std::time::Duration = std::time::Duration::from_secs(60 * 60);
/// A change that waits for an approval waits until somebody decides: no longer than this is it shown as waiting.
const CHANGE_LASTS: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);

/// The names of notices that are no detector's, with what each says; `docs/alerts.md` has them.
pub(super) const NAMES: [(&str, Topic); 20] = [
    ("client_pending", Topic::Pending),
    (CHANGE_PENDING, Topic::Pending),
    ("client_second_approval_pending", Topic::Pending),
    ("client_approved", Topic::Outcomes),
    ("client_elevated", Topic::Outcomes),
    ("client_rejected", Topic::Outcomes),
    ("client_expired", Topic::Outcomes),
    ("client_suspended", Topic::Outcomes),
    ("client_resumed", Topic::Outcomes),
    ("client_removed", Topic::Outcomes),
    ("client_deleted", Topic::Outcomes),
    ("audit_head", Topic::AuditHeads),
    ("registration_unknown", Topic::Health),
    ("configuration_refused", Topic::Health),
    ("response_imposed", Topic::Health),
    ("audit_records_lost", Topic::Health),
    (health::THROTTLE, Topic::Health),
    (health::ELSEWHERE, Topic::Health),
    (health::ENDING, Topic::Health),
    (TEST, Topic::Health),
];

/// A client asks for a change that waits for an approval.
const CHANGE_PENDING: &str = "client_change_pending";
/// What `alerts test` sends.
pub(super) const TEST: &str = "test";

/// The names of all notices.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().map(|(name, _)| name).chain(DetectorName::ALL.map(DetectorName::as_str))
}

/// A notice of this name, by which its topic is known: what is none of [`NAMES`] is a detector's.
pub(super) fn notice(name: &str, key: impl Into<String>, at: Timestamp) -> Notice {
    let topic = NAMES.into_iter().find(|(known, _)| *known == name).map_or(Topic::Findings, |(_, topic)| topic);
    Notice::new(topic, name, key, at)
}

/// A notice, and how it is told.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// What is told.
    pub notice: Notice,
    /// Whether it begins or is over.
    pub occasion: Occasion,
    /// Until when it lasts; none: it is over as soon as it is told, and nothing for an Alertmanager.
    pub lasts: Option<Timestamp>,
}

/// Whether something begins or is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It begins, or happened.
    Begins,
    /// It goes on, and is not what it was: what was told is no longer true.
    Changes,
    /// It is over.
    Ends(Interest),
}

impl News {
    /// Something happened.
    pub(super) fn once(notice: Notice) -> Self {
        Self { notice, occasion: Occasion::Begins, lasts: None }
    }

    /// Something is so until then.
    pub(super) fn lasting(notice: Notice, until: Timestamp) -> Self {
        Self { notice, occasion: Occasion::Begins, lasts: Some(until) }
    }

    /// What was told under the key, by this name and this severely, is over.
    pub(super) fn over(notice: Notice, ended: Ended, interest: Interest) -> Self {
        let at = notice.at;
        let notice = Notice { status: Status::Resolved, ended: Some(ended), ..notice };
        Self { notice, occasion: Occasion::Ends(interest), lasts: Some(at) }
    }
}

/// What is told of an event; none: nothing.
pub fn of_event(event: &Event, at: Timestamp) -> Option<News> {
    let news = match event.event {
        Kind::RegistrationAdmitted
        | Kind::RegistrationLetThrough
        | Kind::RegistrationResolved
        | Kind::ClientUpdated => waiting(event, at, event.aside.waits?)?,
        Kind::ClientApproved | Kind::ClientElevated if event.aside.waits == Some(Waits::SecondApproval) => {
            waiting(event, at, Waits::SecondApproval)?
        }
        Kind::ClientApproved if is_of_a_change(event) => {
            decided(event, at, "client_approved", "A client's change was approved")?
        }
        Kind::ClientApproved => decided(event, at, "client_approved", "A client was approved")?,
        Kind::ClientElevated => decided(event, at, "client_elevated", "A client was given more scopes")?,
        Kind::ClientRejected if is_of_a_change(event) => {
            decided(event, at, "client_rejected", "A client's change was rejected; the client stays as it is")?
        }
        Kind::ClientRejected => decided(event, at, "client_rejected", "A client was rejected")?,
        Kind::ClientExpired => decided(event, at, "client_expired", "A client expired")?,
        // Nobody was told that it waits: nothing is over.
        Kind::ClientSuspended if event.aside.waits.is_none() => {
            happened(event, at, "client_suspended", "A client was suspended")?
        }
        Kind::ClientSuspended => decided(event, at, "client_suspended", "A client was suspended")?,
        Kind::ClientResumed => match event.aside.waits {
            Some(waits) => waiting(event, at, waits)?,
            None => happened(event, at, "client_resumed", "A client was resumed")?,
        },
        Kind::ClientRemoved => decided(event, at, "client_removed", "A client was removed")?,
        Kind::ClientDeleted => deleted(event, at)?,
        Kind::RegistrationUnknown => unknown(event, at),
        Kind::ResponseImposed => imposed(event, at)?,
        Kind::ConfigurationRefused => configuration_refused(at),
        Kind::ConfigurationLoaded => configuration_loaded(at),
        Kind::RecordsLost => records_lost(event, at),
        Kind::RegistrationRepeated
        | Kind::RegistrationRefused
        | Kind::RegistrationFailed
        | Kind::ClientRead
        | Kind::ClientImported
        | Kind::ManagementRefused
        | Kind::ForwardedRefused
        | Kind::ResponseDryRun
        | Kind::ResponseProlonged
        | Kind::ResponseLifted
        | Kind::ResponseExpired
        | Kind::TokenCreated
        | Kind::TokenRevoked
        | Kind::ProcessStarted
        | Kind::ProcessStopped
        | Kind::KeyRotated
        | Kind::OperatorRefused
        | Kind::OperatorSignedIn
        | Kind::OperatorSignedOut
        | Kind::SignInRefused
        // Whoever is told would be whoever could not be.
        | Kind::AlertGivenUp
        | Kind::RefusalsCounted => return None,
    };
    let News { notice, .. } = news;
    let actor = match &event.actor {
        Actor::Operator { name } => Some(name.clone()),
        Actor::Registrant { .. } | Actor::Client { .. } | Actor::Gateway => None,
    };
    let (profile, request_id) = (event.profile.clone(), event.request_id.clone());
    let client_name = event.aside.client_name.clone();
    let notice = Notice { profile, request_id, client_name, actor, decided: event.decided, ..notice };
    let is_another = event.aside.is_another && news.occasion == Occasion::Begins;
    let occasion = if is_another { Occasion::Changes } else { news.occasion };
    Some(News { notice, occasion, ..news })
}

fn client(event: &Event) -> Option<&str> {
    match &event.subject {
        Some(Subject::Client(client_id)) => Some(client_id),
        _ => None,
    }
}

/// The key of what waits, and of what became of it.
fn pending(client_id: &str) -> String {
    format!("pending/{client_id}")
}

/// `"Planner" (client abc) of profile mcp`.
fn named(event: &Event, client_id: &str) -> String {
    let profile = event.profile.as_deref().map(|profile| format!(" of profile {profile}")).unwrap_or_default();
    match &event.aside.client_name {
        Some(name) => format!("{} (client {}){profile}", Excerpt(name), Excerpt(client_id)),
        None => format!("Client {}{profile}", Excerpt(client_id)),
    }
}

fn waiting(event: &Event, at: Timestamp, waits: Waits) -> Option<News> {
    let client_id = client(event)?;
    let who = named(event, client_id);
    let mut asks = String::new();
    let scopes = event.scope_withheld.as_deref().filter(|scopes| !scopes.is_empty());
    asks.extend(scopes.map(|scopes| format!(" Scopes withheld until then: {}.", AtLength(scopes))));
    if !event.redirect_uri_hosts.is_empty() {
        asks.push_str(&format!(" Redirects to {}.", AtLength(&event.redirect_uri_hosts.join(", "))));
    }
    let notice = |name: &str, key: String| notice(name, key, at).about("client", client_id);
    Some(match waits {
        Waits::Registration { until } => {
            let growth = event.growth.as_deref().filter(|_| event.aside.is_another);
            let growth = growth.map(|growth| format!(" More than it had: {}.", AtLength(growth)));
            let growth = growth.unwrap_or_default();
            let sentence = format!("{who} waits for an approval until {until}; then it is removed.{growth}{asks}");
            let notice =
                notice("client_pending", pending(client_id)).saying("A client waits for an approval", sentence);
            News::lasting(Notice { until: Some(until), ..notice }, until)
        }
        Waits::Growth => {
            let growth = AtLength(event.growth.as_deref().unwrap_or_default());
            let sentence = format!("{who} asks for a change that waits for an approval: {growth}.{asks}");
            let notice = notice(CHANGE_PENDING, pending(client_id));
            News::lasting(notice.saying("A client's change waits for an approval", sentence), at.after(CHANGE_LASTS))
        }
        Waits::SecondApproval => {
            let sentence = format!("{who} was approved once; somebody else must approve it, too.");
            let key = format!("{}/second/{}", pending(client_id), at.unix_millis());
            News::once(
                notice("client_second_approval_pending", key).saying("A client waits for a second approval", sentence),
            )
        }
    })
}

/// Whether it was decided about a change that a client asked for; the client itself is what it was.
fn is_of_a_change(event: &Event) -> bool {
    event.decided == Some(Decided::Change)
}

/// It is told whoever was told that the client waits, and ends that.
fn decided(event: &Event, at: Timestamp, name: &str, title: &str) -> Option<News> {
    let client_id = client(event)?;
    let waited = waited_as(if is_of_a_change(event) { CHANGE_PENDING } else { "client_pending" });
    let notice = notice(name, pending(client_id), at).about("client", client_id);
    Some(News::over(notice.saying(title, outcome(event, client_id, title)), waited, Interest::All))
}

/// What was done to a client that did not wait for anything.
fn happened(event: &Event, at: Timestamp, name: &str, title: &str) -> Option<News> {
    let client_id = client(event)?;
    let key = format!("client/{client_id}/{name}/{}", at.unix_millis());
    let notice = notice(name, key, at).about("client", client_id);
    Some(News::once(notice.saying(title, outcome(event, client_id, title))))
}

/// Of which client, by whom and why.
fn outcome(event: &Event, client_id: &str, title: &str) -> String {
    let mut sentence = format!("{}: {title}", named(event, client_id));
    if let Actor::Operator { name } = &event.actor {
        sentence.push_str(&format!(" by {}", Excerpt(name)));
    }
    sentence.extend(event.reason.as_deref().map(|reason| format!(" ({reason})")));
    sentence.extend(event.comment.as_deref().map(|comment| format!(": {}", Excerpt(comment))));
    sentence.push('.');
    sentence
}

/// The client's own affair, unless somebody was asked to approve it.
fn deleted(event: &Event, at: Timestamp) -> Option<News> {
    let client_id = client(event)?;
    let sentence = format!("{} was deleted by its owner: nothing is left to approve.", named(event, client_id));
    let notice = notice("client_deleted", pending(client_id), at).about("client", client_id);
    let notice = notice.saying("A client was deleted by its owner", sentence);
    Some(News::over(notice, waited_as("client_pending"), Interest::Told))
}

fn waited_as(name: &str) -> Ended {
    Ended { name: name.to_owned(), severity: Severity::Info }
}

fn unknown(event: &Event, at: Timestamp) -> News {
    let id = match (&event.registration, &event.subject) {
        (Some(id), _) | (None, Some(Subject::Registration(id))) => id.as_str(),
        _ => "",
    };
    let sentence = format!(
        "Whether registration {id} made a client is unknown. Look for it at the server, and write it down with `dcr-gateway registrations resolve`."
    );
    let notice = notice("registration_unknown", format!("registration/{id}"), at);
    let notice = notice.severe(Severity::Warning).about("registration", id);
    News::once(notice.saying("The outcome of a registration is unknown", sentence))
}

const CONFIGURATION: &str = "health/configuration";

fn configuration_refused(at: Timestamp) -> News {
    let notice = notice("configuration_refused", CONFIGURATION, at).severe(Severity::Critical);
    let sentence = "The configuration has problems and was NOT reloaded: the old one stays in force. `dcr-gateway config check` names them.";
    News::lasting(notice.saying("The configuration was refused", sentence), at.after(health::LASTS))
}

fn configuration_loaded(at: Timestamp) -> News {
    let ended = Ended { name: "configuration_refused".to_owned(), severity: Severity::Critical };
    let notice = notice("configuration_refused", CONFIGURATION, at);
    let notice = notice.saying("The configuration is in force", "The configuration was reloaded without a problem.");
    News::over(notice, ended, Interest::Told)
}

fn records_lost(event: &Event, at: Timestamp) -> News {
    let notice = notice("audit_records_lost", "audit_records_lost", at).severe(Severity::Warning);
    let count = event.count.unwrap_or_default();
    let sentence = format!("{count} refusals could not be written to the audit log; their number is on it.");
    News::once(notice.saying("Audit records were lost", sentence))
}

/// Somebody, or everybody, is kept from something now.
fn imposed(event: &Event, at: Timestamp) -> Option<News> {
    let Responded { action, on, until, .. } = event.response.as_ref()?;
    // Each is told: nobody hears when one is over, so the next could not be taken for the same.
    let Some(Subject::Response(id)) = &event.subject else { return None };
    let to_whom = if on.is_empty() { String::new() } else { format!(" to {}", Excerpt(on)) };
    let sentence = format!("{action}{to_whom} until {until}. `dcr-gateway bans list` shows it, `bans lift` undoes it.");
    let severity = if on.is_empty() { Severity::Critical } else { Severity::Warning };
    let notice = notice("response_imposed", format!("response/{id}"), at).severe(severity);
    Some(News::once(notice.saying("A response was imposed", sentence)))
}

/// What is told of a finding.
pub fn of_finding(finding: &Finding) -> News {
    let (kind, id) = (finding.subject.kind(), finding.subject.name());
    let score = finding.score.value();
    let severity = match finding.score.band() {
        Band::Low => Severity::Info,
        Band::High => Severity::Warning,
        Band::Highest => Severity::Critical,
    };
    // What has become graver is told again.
    let key = format!("finding/{}/{kind}/{id}/{}", finding.detector.as_str(), severity.as_str());
    let about = (!id.is_empty()).then(|| About { kind: kind.to_owned(), id });
    let title = format!("Anomaly: {}", finding.detector.as_str());
    let notice = notice(finding.detector.as_str(), key, finding.at);
    let notice = notice.severe(severity).saying(title, finding.sentence.clone());
    let data = serde_json::to_value(&finding.evidence).ok().map(|evidence| serde_json::json!({ "evidence": evidence }));
    let request_id = finding.request_id.clone();
    News::lasting(Notice { score: Some(score), about, data, request_id, ..notice }, finding.at.after(FINDING_LASTS))
}

/// What is told of a signed head of the audit log.
pub fn of_head(signed: &SignedHead) -> News {
    let head = &signed.head;
    let key = format!("head/{}/{}", head.writer.0, head.sequence);
    let sentence =
        format!("Chain {} has {} records; the last has the hash {}.", head.writer.0, head.sequence + 1, head.hash);
    let notice = notice("audit_head", key, head.at).about("chain", head.writer.0.clone());
    let notice = notice.saying("A head of the audit log", sentence);
    News::once(Notice { data: serde_json::to_value(signed).ok(), ..notice })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::event::Aside;

    const AT: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

    fn event(kind: Kind, waits: Option<Waits>) -> Event {
        let aside = Aside { client_name: Some("Evil\u{202e}\n<!channel>".to_owned()), waits, ..Aside::default() };
        let event =
            Event::new(kind, Actor::Operator { name: "ada".to_owned() }).about(Subject::Client("c1".to_owned()));
        Event { profile: Some("mcp".to_owned()), aside, ..event }
    }

    #[test]
    fn a_registration_is_told_when_it_waits_and_otherwise_not() {
        for kind in [Kind::RegistrationAdmitted, Kind::RegistrationResolved] {
            assert_eq!(of_event(&event(kind, None), AT), None);
            let until = AT.after(FINDING_LASTS);
            let waits = Some(Waits::Registration { until });
            let News { notice, occasion, lasts } = of_event(&event(kind, waits), AT).unwrap();
            assert_eq!((notice.name.as_str(), notice.key.as_str()), ("client_pending", "pending/c1"));
            assert_eq!((occasion, lasts, notice.client_id()), (Occasion::Begins, Some(until), Some("c1")));
            assert!(notice.sentence.contains("until 2023-11-14T23:13:20Z"), "{}", notice.sentence);
        }
    }

    #[test]
    fn what_became_of_it_ends_what_was_told() {
        for kind in [Kind::ClientApproved, Kind::ClientRejected, Kind::ClientExpired, Kind::ClientRemoved] {
            let News { notice, occasion, .. } = of_event(&event(kind, None), AT).unwrap();
            assert_eq!((notice.key.as_str(), notice.topic), ("pending/c1", Topic::Outcomes), "{kind:?}");
            assert_eq!(occasion, Occasion::Ends(Interest::All));
        }
        let deleted = of_event(&event(Kind::ClientDeleted, None), AT).unwrap();
        assert_eq!(deleted.occasion, Occasion::Ends(Interest::Told));
    }

    #[test]
    fn what_was_decided_about_a_change_is_not_told_of_the_client() {
        for (kind, title) in [
            (Kind::ClientApproved, "A client's change was approved"),
            (Kind::ClientRejected, "A client's change was rejected; the client stays as it is"),
        ] {
            let decided = Event { decided: Some(Decided::Change), ..event(kind, None) };
            let News { notice, .. } = of_event(&decided, AT).unwrap();
            assert_eq!((notice.title.as_str(), notice.decided), (title, Some(Decided::Change)));
            assert!(notice.sentence.contains(title), "{}", notice.sentence);
            assert_eq!(notice.ended.map(|ended| ended.name).as_deref(), Some("client_change_pending"));
        }
    }

    #[test]
    fn what_waits_and_is_another_thing_now_is_told_again_with_all_that_is_asked_for() {
        let growth = Some(format!("scope + orders; redirect_uris + https://app.example.com/{}", "x".repeat(2000)));
        for (waits, name) in [
            (Waits::Growth, "client_change_pending"),
            (Waits::Registration { until: AT.after(FINDING_LASTS) }, "client_pending"),
        ] {
            let mut changed = Event { growth: growth.clone(), ..event(Kind::ClientUpdated, Some(waits)) };
            assert_eq!(of_event(&changed, AT).unwrap().occasion, Occasion::Begins);
            changed.aside.is_another = true;
            let News { notice, occasion, .. } = of_event(&changed, AT).unwrap();
            assert_eq!((notice.name.as_str(), notice.key.as_str()), (name, "pending/c1"));
            assert_eq!(occasion, Occasion::Changes);
            let shown = notice.sentence.find("scope + orders").zip(notice.sentence.find("redirect_uris + "));
            assert!(shown.is_some_and(|(scope, uris)| scope < uris), "{}", notice.sentence);
        }
    }

    #[test]
    fn the_first_of_two_approvals_is_no_outcome() {
        let news = of_event(&event(Kind::ClientApproved, Some(Waits::SecondApproval)), AT).unwrap();
        assert_eq!((news.notice.topic, news.lasts), (Topic::Pending, None));
    }

    #[test]
    fn a_suspension_ends_the_waiting_where_there_was_one_and_a_resumption_begins_it_again() {
        let told = |kind, waits| of_event(&event(kind, waits), AT).unwrap();
        let until = AT.after(FINDING_LASTS);
        let waits = Some(Waits::Registration { until });
        assert_eq!(told(Kind::ClientSuspended, waits).occasion, Occasion::Ends(Interest::All));
        let again = told(Kind::ClientResumed, waits);
        let name = again.notice.name.as_str();
        assert_eq!((name, again.occasion, again.lasts), ("client_pending", Occasion::Begins, Some(until)));
        for kind in [Kind::ClientSuspended, Kind::ClientResumed] {
            let News { notice, occasion, .. } = told(kind, None);
            assert_eq!((notice.status, occasion), (Status::Firing, Occasion::Begins), "{kind:?}");
            assert_ne!(notice.key, "pending/c1");
        }
    }

    #[test]
    fn the_same_response_imposed_again_is_told_again() {
        let told = |id: &str| {
            let responded = Responded {
                action: "lockdown".to_owned(),
                on: String::new(),
                dry_run: false,
                until: AT,
                finding: None,
            };
            let imposed = event(Kind::ResponseImposed, None).about(Subject::Response(id.to_owned()));
            of_event(&Event { response: Some(responded), ..imposed }, AT).unwrap().notice
        };
        assert_eq!((told("first").severity, &*told("first").key), (Severity::Critical, "response/first"));
        assert_ne!(told("first").key, told("second").key);
    }

    #[test]
    fn what_a_registrant_wrote_stands_escaped_in_sentences() {
        let sentence = of_event(&event(Kind::ClientRejected, None), AT).unwrap().notice.sentence;
        assert!(sentence.starts_with(r#""Evil\u{202e}\n<!channel>" (client "c1") of profile mcp"#), "{sentence}");
        assert!(!sentence.contains('\n') && !sentence.contains('\u{202e}'));
    }

    #[test]
    fn every_name_stands_in_the_document() {
        let document = include_str!("../../docs/alerts.md");
        for (name, topic) in NAMES {
            let row = format!("| `{name}` | `{}` |", topic.as_str());
            assert!(document.contains(&row), "docs/alerts.md: {row}");
        }
        let rows = document.lines().filter(|line| line.starts_with("| `") && line.matches("` | `").count() == 1);
        assert_eq!(rows.count(), NAMES.len(), "docs/alerts.md has each name once, and nothing else in such a row");
    }
}
