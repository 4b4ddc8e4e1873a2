//! What was given up is on the audit log: whoever was to be told of something never was.

use crate::audit::{Actor, Event, Kind, Subject};

use super::failure::Failure;

/// Why a receiver is not told any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It refused it for too long.
    Refused,
    /// It could not be reached for too long.
    Unreachable,
    /// More waits for it than is kept.
    TooMuchWaits,
    /// It is in the configuration no more.
    NotConfigured,
}

impl Why {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused_by_the_receiver",
            Self::Unreachable => "unreachable",
            Self::TooMuchWaits => "too_much_waits",
            Self::NotConfigured => "not_configured",
        }
    }
}

impl From<&Failure> for Why {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Down { .. } => Self::Unreachable,
            Failure::Refused(_) => Self::Refused,
        }
    }
}

/// So many deliveries to the receiver were given up.
pub(super) fn event(receiver: &str, why: Why, count: u64) -> Event {
    let event = Event::new(Kind::AlertGivenUp, Actor::Gateway).about(Subject::Receiver(receiver.to_owned()));
    Event { count: Some(count), ..event.because(why.as_str()) }
}
