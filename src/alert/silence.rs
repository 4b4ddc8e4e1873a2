//! The `silences` section: what nobody is told of for a while.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::notice::Notice;
use super::told;
use crate::clock::Timestamp;
use crate::setting_problem::SettingProblem;

/// What nobody is told of for a while. What is said of a notice must all fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceSettings {
    /// The name of what is not told: a detector (`token_guessing`), or another of `docs/alerts.md` (`client_pending`).
    #[serde(default)]
    pub name: Option<String>,
    /// Whom it is about: a network, a client, a file, as it stands in the notice.
    #[serde(default)]
    pub subject: Option<String>,
    /// The profile.
    #[serde(default)]
    pub profile: Option<String>,
    /// When the silence is over: `2026-12-24T18:00:00Z`.
    #[schemars(with = "String")]
    pub until: Moment,
    /// Why, for those who read the file later.
    #[serde(default)]
    pub comment: Option<String>,
}

/// A moment as an operator writes it: RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(pub Timestamp);

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let moment = OffsetDateTime::parse(&text, &Rfc3339);
        let moment = moment.map_err(|_| format!("{text:?} is no moment: write it like 2026-12-24T18:00:00Z"))?;
        Ok(Self(Timestamp::from_unix_millis(moment.unix_timestamp().saturating_mul(1000))))
    }
}

impl From<Moment> for String {
    fn from(Moment(at): Moment) -> Self {
        at.to_string()
    }
}

impl SilenceSettings {
    /// Everything that is wrong with it.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let mut report = |place, reason: String, hint| problems.push(SettingProblem::new(place, reason, hint));
        if self.name.is_none() && self.subject.is_none() && self.profile.is_none() {
            let reason = "would silence everything".to_owned();
            report("", reason, "write name, subject or profile; to be told nothing, take the receivers out");
        }
        if let Some(name) = self.name.as_ref().filter(|name| !told::names().any(|known| known == name.as_str())) {
            report("name", format!("there is no {name:?}"), "docs/alerts.md has the names");
        }
        problems
    }

    /// Whether it is about this, now.
    pub(super) fn is_about(&self, notice: &Notice) -> bool {
        let name = notice.ended.as_ref().map_or(&notice.name, |ended| &ended.name);
        let subject = notice.about.as_ref().map(|about| &about.id);
        notice.at < self.until.0
            && self.name.as_ref().is_none_or(|silenced| silenced == name || *silenced == notice.name)
            && self.subject.as_ref().is_none_or(|silenced| Some(silenced) == subject)
            && self.profile.as_ref().is_none_or(|silenced| Some(silenced) == notice.profile.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_silences_something_and_ends() {
        let silence = |yaml: &str| serde_yaml::from_str::<SilenceSettings>(yaml);
        let fine = silence("{ name: token_guessing, until: \"2026-12-24T19:00:00+01:00\" }").unwrap();
        assert_eq!((fine.problems(), fine.until.0.to_string()), (Vec::new(), "2026-12-24T18:00:00Z".to_owned()));
        assert_eq!(silence("{ until: \"2026-12-24T18:00:00Z\" }").unwrap().problems().len(), 1);
        assert_eq!(silence("{ name: nobody, until: \"2026-12-24T18:00:00Z\" }").unwrap().problems().len(), 1);
        assert!(silence("{ name: probing }").is_err() && silence("{ name: probing, until: tomorrow }").is_err());
    }
}
