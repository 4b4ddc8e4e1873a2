//! The gateway's own health: what is wrong now, of what others in the gateway see already. Pure: whoever looks compares with what was so before.

use std::time::Duration;

use super::notice::{Ended, Notice, Severity};
use super::told::{self, News};
use crate::clock::Timestamp;
use crate::store::Interest;

pub(super) const THROTTLE: &str = "throttle_unreachable";
pub(super) const ELSEWHERE: &str = "registration_endpoint_elsewhere";
pub(super) const ENDING: &str = "certificate_ending";

/// A condition is told again in time, as long as it is so: past this a receiver of what lasts need not believe it any more.
pub(super) const LASTS: Duration = Duration::from_secs(2 * 60 * 60);

/// Something that is wrong, or could be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Attempts are not counted where the configuration says: Redis cannot be reached.
    ThrottleUnreachable,
    /// The authorization server advertises another registration endpoint; the path is closed.
    RegistrationElsewhere {
        /// The path.
        path: String,
    },
    /// A file of a listener's TLS will soon end, or has ended.
    FileEnding {
        /// The file.
        file: String,
        /// What it holds, out of a closed list.
        kind: &'static str,
        /// When.
        ends: Timestamp,
    },
}

impl Condition {
    /// It is so.
    pub fn begins(&self, at: Timestamp) -> News {
        let (title, sentence) = match self {
            Self::ThrottleUnreachable => (
                "The throttle's Redis cannot be reached",
                "Attempts are not counted in Redis: throttle.when_unavailable says what becomes of registrations until it is back."
                    .to_owned(),
            ),
            Self::RegistrationElsewhere { path } => (
                "The server advertises another registration endpoint",
                format!("The authorization server advertises a registration endpoint at {path}. It is closed: it would lead round the gateway."),
            ),
            Self::FileEnding { file, kind, ends } if *ends <= at => {
                ("A file of a listener's TLS is past its end", format!("{file} ({kind}) ended {ends}: replace it."))
            }
            Self::FileEnding { file, kind, ends } => {
                ("A file of a listener's TLS will soon end", format!("{file} ({kind}) ends {ends}: replace it."))
            }
        };
        let notice = self.notice(at).severe(self.severity()).saying(title, sentence);
        News::lasting(notice, at.after(LASTS))
    }

    /// It is over, or was never so: whoever was told of it hears that.
    pub fn ends(&self, at: Timestamp) -> News {
        let (title, sentence) = match self {
            Self::ThrottleUnreachable => {
                ("The throttle's Redis is back", "Attempts are counted in Redis again.".to_owned())
            }
            Self::RegistrationElsewhere { path } => {
                ("The server advertises no other registration endpoint", format!("{path} is not advertised any more."))
            }
            Self::FileEnding { file, .. } => {
                ("A file of a listener's TLS was replaced", format!("{file} is good again, or in use no more."))
            }
        };
        let ended = Ended { name: self.name().to_owned(), severity: self.severity() };
        News::over(self.notice(at).saying(title, sentence), ended, Interest::Told)
    }

    /// Names it: the same whatever else is known of it.
    pub fn key(&self) -> String {
        match self {
            Self::ThrottleUnreachable => format!("health/{THROTTLE}"),
            Self::RegistrationElsewhere { path } => format!("health/{ELSEWHERE}/{path}"),
            Self::FileEnding { file, kind, .. } => format!("health/{ENDING}/{kind}/{file}"),
        }
    }

    fn notice(&self, at: Timestamp) -> Notice {
        let notice = told::notice(self.name(), self.key(), at);
        match self {
            Self::ThrottleUnreachable => notice,
            Self::RegistrationElsewhere { path } => notice.about("path", path.as_str()),
            Self::FileEnding { file, .. } => notice.about("file", file.as_str()),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::ThrottleUnreachable => THROTTLE,
            Self::RegistrationElsewhere { .. } => ELSEWHERE,
            Self::FileEnding { .. } => ENDING,
        }
    }

    const fn severity(&self) -> Severity {
        match self {
            Self::ThrottleUnreachable | Self::RegistrationElsewhere { .. } => Severity::Critical,
            Self::FileEnding { .. } => Severity::Warning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_condition_has_the_key_of_its_beginning() {
        let at = Timestamp::from_unix_millis(5);
        let file = |ends| Condition::FileEnding {
            file: "server.pem".to_owned(),
            kind: "server_certificate",
            ends: Timestamp::from_unix_millis(ends),
        };
        let (begins, ends) = (file(4).begins(at).notice, file(9_000_000).ends(at).notice);
        assert_eq!((begins.key, begins.about), (ends.key, ends.about));
        assert!(begins.sentence.contains("ended") && file(6).begins(at).notice.sentence.contains("ends 1970"));
        assert_eq!(ends.ended.unwrap().severity, begins.severity);
    }
}
