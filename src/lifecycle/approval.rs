//! Whether an approval counts at once, or waits for that of a second person. Pure.

use serde::{Deserialize, Serialize};

use super::Action;

/// What somebody approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who, when and why.
    pub by: Action,
    /// The scopes that are granted by it, separated by spaces.
    pub scopes: String,
}

/// How many people it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eyes {
    /// One person.
    Two,
    /// Two people: the approval of the first is kept until the second's.
    Four,
}

/// What an approval comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vote {
    /// It counts: this is granted.
    Counts(Approval),
    /// It is kept, and waits for another person's.
    Waits(Approval),
}

/// What does not count as the second of two approvals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSecond {
    /// The first approval was the same person's.
    #[error("{0} approved it already: this profile needs the approval of somebody else")]
    SameActor(String),
    /// They would grant nothing together, though each of them would.
    #[error("{actor} named {first}, and of that nothing is named now: two people grant what both of them name")]
    NothingInCommon {
        /// Who approved it first.
        actor: String,
        /// The scopes of that approval.
        first: String,
    },
}

impl Approval {
    /// What this approval comes to after `first`, which was kept. Two people grant only what both of them named.
    ///
    /// # Errors
    /// Two people have to approve, and both approvals are one person's, or have nothing in common.
    pub fn after(self, first: Option<&Self>, eyes: Eyes) -> Result<Vote, NoSecond> {
        match (eyes, first) {
            (Eyes::Two, _) => Ok(Vote::Counts(self)),
            (Eyes::Four, None) => Ok(Vote::Waits(self)),
            (Eyes::Four, Some(first)) if first.by.actor == self.by.actor => Err(NoSecond::SameActor(self.by.actor)),
            (Eyes::Four, Some(first)) => {
                let both = |scope: &&str| first.scopes.split(' ').any(|other| other == *scope);
                let scopes = self.scopes.split(' ').filter(both).collect::<Vec<_>>().join(" ");
                if scopes.is_empty() && !self.scopes.is_empty() && !first.scopes.is_empty() {
                    let (actor, first) = (first.by.actor.clone(), first.scopes.clone());
                    return Err(NoSecond::NothingInCommon { actor, first });
                }
                Ok(Vote::Counts(Self { scopes, ..self }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn approval(actor: &str, scopes: &str) -> Approval {
        let by = Action { at: Timestamp::from_unix_millis(5), actor: actor.to_owned(), comment: None };
        Approval { by, scopes: scopes.to_owned() }
    }

    #[test]
    fn one_person_is_enough_where_nothing_else_is_asked_for() {
        let counts = approval("ada", "a").after(None, Eyes::Two);
        assert_eq!(counts, Ok(Vote::Counts(approval("ada", "a"))));
    }

    #[test]
    fn the_second_of_two_people_is_somebody_else() {
        let first = approval("ada", "a b");
        assert_eq!(first.clone().after(None, Eyes::Four), Ok(Vote::Waits(first.clone())));
        let again = approval("ada", "a b").after(Some(&first), Eyes::Four);
        assert_eq!(again, Err(NoSecond::SameActor("ada".to_owned())));
    }

    #[test]
    fn two_people_grant_what_both_of_them_named() {
        let counts = approval("bob", "b c").after(Some(&approval("ada", "a b")), Eyes::Four);
        assert_eq!(counts, Ok(Vote::Counts(approval("bob", "b"))));
        let apart = approval("bob", "c").after(Some(&approval("ada", "a b")), Eyes::Four);
        assert_eq!(apart, Err(NoSecond::NothingInCommon { actor: "ada".to_owned(), first: "a b".to_owned() }));
        // Of a change that grants no scopes there is nothing to name.
        let none = approval("bob", "").after(Some(&approval("ada", "")), Eyes::Four);
        assert_eq!(none, Ok(Vote::Counts(approval("bob", ""))));
    }
}
