//! What one rule found and changed, and the list of them all: the material of an answer, of `explain`, and of the trace.

use std::fmt::Display;

use serde::Serialize;

use super::rule::RuleName;
use super::violation::Violation;
use crate::registration::ErrorCode;
use crate::registration::excerpt::Excerpt;

/// The most violations of one request that are set down: a hostile body of 64 KiB could hold tens of thousands.
pub(super) const MOST_VIOLATIONS: usize = 64;

/// The most notes one rule leaves.
const MOST_NOTES: usize = 64;

/// What one rule made of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleOutcome {
    /// The rule.
    pub rule: RuleName,
    /// What it found wrong; nothing when the request passes it.
    pub violations: Vec<Violation>,
    /// What it changed: dropped, left out, inferred. Sentences that begin with a place.
    pub notes: Vec<String>,
}

/// Where one rule sets down what it finds.
#[derive(Debug)]
pub struct Report<'a> {
    profile: &'a str,
    outcome: RuleOutcome,
}

impl<'a> Report<'a> {
    /// An empty report of `rule`, under the profile of that name.
    pub fn new(rule: RuleName, profile: &'a str) -> Self {
        Self { profile, outcome: RuleOutcome { rule, violations: Vec::new(), notes: Vec::new() } }
    }

    /// The profile's name.
    pub fn profile(&self) -> &'a str {
        self.profile
    }

    /// The member at `place` is wrong, `problem` says how; [`ErrorCode::InvalidClientMetadata`].
    pub fn refuse(&mut self, place: &str, problem: impl Display) {
        self.refuse_as(ErrorCode::InvalidClientMetadata, place, problem);
    }

    /// What the member at `place` asks for by this name is none of what the profile allows.
    pub fn refuse_unlisted(&mut self, place: &str, name: &str) {
        self.refuse(place, format!("{} is not allowed by profile {:?}", Excerpt(name), self.profile));
    }

    /// The member at `place` is wrong, and the code for it is another one.
    pub fn refuse_as(&mut self, code: ErrorCode, place: &str, problem: impl Display) {
        self.add(Violation::new(self.outcome.rule, place, code, problem));
    }

    /// Sets down a violation made elsewhere.
    pub fn add(&mut self, violation: Violation) {
        if self.outcome.violations.len() < MOST_VIOLATIONS {
            self.outcome.violations.push(violation);
        }
    }

    /// The member at `place` was changed, `change` says how.
    pub fn note(&mut self, place: &str, change: impl Display) {
        if self.outcome.notes.len() < MOST_NOTES {
            // A note is bounded and cleaned as a violation's sentence is.
            self.outcome
                .notes
                .push(Violation::new(self.outcome.rule, place, ErrorCode::InvalidClientMetadata, change).message);
        }
    }

    /// What was set down.
    pub fn into_outcome(self) -> RuleOutcome {
        self.outcome
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Runs a rule's check under the profile "partners" and gives the sentences it refused with.
    pub(in crate::policy) fn sentences(rule: RuleName, check: impl FnOnce(&mut Report<'_>)) -> Vec<String> {
        let mut report = Report::new(rule, "partners");
        check(&mut report);
        report.into_outcome().violations.into_iter().map(|violation| violation.message).collect()
    }

    #[test]
    fn the_number_of_violations_is_bounded() {
        let found =
            sentences(RuleName::GrantTypes, |report| (0..100_000).for_each(|n| report.refuse("grant_types", n)));
        assert_eq!(found.len(), MOST_VIOLATIONS);
    }
}
