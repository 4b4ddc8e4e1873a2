//! What refused callers can make the gateway write is bounded: the first of a kind is recorded, its repetitions are counted and recorded as
//! one when the window ends, and past so many different ones only reasons are counted. Pure: arithmetic over given times.

use std::collections::HashMap;
use std::time::Duration;

use super::event::{Actor, Event, Kind};
use super::settings::RefusalSettings;
use crate::clock::Timestamp;
use crate::subscriber;

/// What counts as the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Sameness {
    kind: Kind,
    source: String,
    profile: Option<String>,
    reason: Option<String>,
}

#[derive(Debug)]
struct Repeated {
    /// What was recorded, to be told again with the number.
    event: Event,
    /// How often it came after that.
    count: u64,
    first: Timestamp,
}

/// One window of refusals.
#[derive(Debug)]
pub struct Journal {
    most: usize,
    window: Duration,
    began: Option<Timestamp>,
    /// At most `most`.
    recorded: HashMap<Sameness, Repeated>,
    /// By kind and reason, which are closed lists.
    uncounted: HashMap<(Kind, Option<String>), (u64, Timestamp)>,
}

impl Journal {
    /// Nothing was seen yet.
    pub fn new(settings: RefusalSettings) -> Self {
        let most = usize::try_from(settings.written).unwrap_or(usize::MAX);
        let (recorded, uncounted) = (HashMap::new(), HashMap::new());
        Self { most, window: settings.window.0, began: None, recorded, uncounted }
    }

    /// What is to be recorded of it: itself, or nothing; before it what a window came to that it ends.
    pub fn note(&mut self, event: Event, now: Timestamp) -> Vec<Event> {
        let mut due = if self.is_over(now) { self.close() } else { Vec::new() };
        self.began.get_or_insert(now);
        let sameness = Sameness {
            kind: event.event,
            source: source(&event.actor),
            profile: event.profile.clone(),
            reason: event.reason.clone(),
        };
        if let Some(repeated) = self.recorded.get_mut(&sameness) {
            repeated.count += 1;
        } else if self.recorded.len() < self.most {
            self.recorded.insert(sameness, Repeated { event: event.clone(), count: 0, first: now });
            due.push(event);
        } else {
            self.uncounted.entry((event.event, event.reason)).or_insert((0, now)).0 += 1;
        }
        due
    }

    /// Whether the window has ended.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.began.is_some_and(|began| !began.lasts(self.window, now))
    }

    /// What the window came to; the next one begins with the next refusal.
    pub fn close(&mut self) -> Vec<Event> {
        self.began = None;
        let mut due = Vec::new();
        for (sameness, Repeated { event, count, first }) in self.recorded.drain() {
            if count > 0 {
                let Event { actor, profile, reason, subject, .. } = event;
                let counted = Event { subject, profile, reason, ..Event::new(Kind::RefusalsCounted, actor) };
                let (count, since) = (Some(count), Some(first));
                due.push(Event { count, since, counted: Some(sameness.kind), ..counted });
            }
        }
        for ((kind, reason), (count, first)) in self.uncounted.drain() {
            let counted = Event { reason, ..Event::new(Kind::RefusalsCounted, Actor::Gateway) };
            due.push(Event { count: Some(count), since: Some(first), counted: Some(kind), ..counted });
        }
        due
    }
}

/// Whose refusals are counted together: a token's or a certificate's wherever they come from, otherwise a subscriber's.
fn source(actor: &Actor) -> String {
    match actor {
        Actor::Registrant { token: Some(token), .. } => format!("token {token}"),
        Actor::Registrant { certificate: Some(certificate), .. } => format!("certificate {certificate}"),
        Actor::Registrant { address, .. } | Actor::Client { address } => subscriber::of(*address).to_string(),
        Actor::Operator { name } => format!("operator {name}"),
        Actor::Gateway => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::DurationText;

    fn journal(written: u32) -> Journal {
        Journal::new(RefusalSettings { written, window: DurationText(Duration::from_secs(60)) })
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_millis(seconds * 1000)
    }

    fn refused(address: &str, reason: &str) -> Event {
        let address = address.parse().unwrap();
        let actor = Actor::Registrant { address, certificate: None, token: None, statement_issuer: None };
        Event::new(Kind::RegistrationRefused, actor).because(reason)
    }

    #[test]
    fn what_repeats_is_recorded_once_and_then_with_its_number() {
        let mut journal = journal(10);
        assert_eq!(journal.note(refused("192.0.2.1", "throttled"), at(0)), [refused("192.0.2.1", "throttled")]);
        for second in 1..50 {
            assert_eq!(journal.note(refused("192.0.2.1", "throttled"), at(second)), []);
        }
        assert_eq!(journal.note(refused("192.0.2.1", "token_unknown"), at(50)).len(), 1);
        let due = journal.note(refused("192.0.2.1", "throttled"), at(60));
        assert_eq!(due.len(), 2);
        assert_eq!((due[0].event, due[0].count, due[0].since), (Kind::RefusalsCounted, Some(49), Some(at(0))));
        assert_eq!(due[0].counted, Some(Kind::RegistrationRefused));
        assert_eq!(due[1], refused("192.0.2.1", "throttled"));
    }

    #[test]
    fn a_million_sources_write_no_more_than_the_bound() {
        let mut journal = journal(100);
        let mut written = 0;
        for number in 0..1_000_000_u32 {
            let address = std::net::Ipv4Addr::from(number).to_string();
            written += journal.note(refused(&address, "throttled"), at(1)).len();
        }
        assert_eq!(written, 100);
        assert_eq!((journal.recorded.len(), journal.uncounted.len()), (100, 1));
        let due = journal.close();
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].count, &due[0].actor), (Some(999_900), &Actor::Gateway));
    }

    #[test]
    fn a_window_that_began_by_a_clock_that_was_set_back_since_is_over() {
        let mut journal = journal(1);
        journal.note(refused("192.0.2.1", "throttled"), at(86_400));
        journal.note(refused("192.0.2.2", "throttled"), at(86_399));
        assert!(!journal.is_over(at(86_399)), "requests overtake each other");
        assert!(journal.is_over(at(0)));
        let due = journal.note(refused("192.0.2.2", "throttled"), at(0));
        assert_eq!((due.len(), due[0].count, &due[1]), (2, Some(1), &refused("192.0.2.2", "throttled")));
    }

    #[test]
    fn one_network_of_ipv6_is_one_source() {
        let mut journal = journal(10);
        assert_eq!(journal.note(refused("2001:db8:0:1::1", "throttled"), at(0)).len(), 1);
        assert_eq!(journal.note(refused("2001:db8:0:1:ffff::2", "throttled"), at(0)), []);
        assert_eq!(journal.note(refused("2001:db8:0:2::1", "throttled"), at(0)).len(), 1);
    }
}
