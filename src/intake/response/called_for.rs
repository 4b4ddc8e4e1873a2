//! Does what findings call for. It holds here from the moment it is called for; the store has it, and with it every replica, as soon as the
//! store can be written to. What waits for that is bounded.

use super::KnownResponses;
use crate::anomaly::Finding;
use crate::anomaly::response::Called;
use crate::intake::Intake;
use crate::intake::not_done::NotDone;
use crate::intake::rulebook::Rulebook;
use crate::store::{ResponseAction, ResponseRecord};

/// Past so many, findings call for nothing more: every request is compared with all of them.
const MOST_IN_FORCE: usize = 20_000;

/// So many wait for the store, at most.
const MOST_WAITING: usize = 1_000;

/// A response that was called for and that the store does not have yet.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) response: ResponseRecord,
    /// What is done instead where others share the client that would be suspended.
    instead: Option<(ResponseAction, String)>,
    /// Somebody is at it.
    is_at_work: bool,
    /// It was told that it waits.
    has_failed: bool,
}

impl Wanted {
    fn is_same(&self, other: &Self) -> bool {
        let what = |wanted: &Self| (wanted.response.action, wanted.response.dry_run);
        what(self) == what(other) && self.response.subject == other.response.subject
    }
}

/// A response that somebody is at: nobody else is, until this is dropped.
struct Work<'k> {
    known: &'k KnownResponses,
    wanted: Wanted,
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        if let Some(wanted) =
            self.known.waiting().iter_mut().find(|wanted| wanted.response.id == self.wanted.response.id)
        {
            wanted.is_at_work = false;
        }
    }
}

impl Intake {
    /// Does what the operator's rules say about a finding, which has this name in the record. What cannot be done is told in the log; what
    /// the store cannot take now holds here and waits for it.
    pub async fn respond(&self, finding: &Finding, name: &str) {
        let rulebook = self.rulebook.load_full();
        for called in rulebook.responder.called_for(finding) {
            let (action, subject) = (called.action.as_str(), called.subject.clone());
            let held = self
                .possible(&rulebook, &called)
                .and_then(|()| self.tools.responses.want(self.wanted(called, finding, name)));
            match held {
                Ok(Some(work)) => self.write(work).await,
                Ok(None) => {}
                Err(why_not) => tracing::warn!(action, subject, finding = name, "no response: {why_not}"),
            }
        }
    }

    /// Writes what waits for the store; returns how many still wait.
    pub async fn write_responses(&self) -> usize {
        for work in self.tools.responses.idle() {
            self.write(work).await;
        }
        self.tools.responses.count_waiting()
    }

    /// One try.
    async fn write(&self, work: Work<'_>) {
        let Wanted { response, .. } = &work.wanted;
        let (id, action, subject) = (response.id.clone(), response.action.as_str(), response.subject.clone());
        let finding = response.finding.clone();
        if response.expires_at <= self.tools.clock.now() {
            tracing::error!(
                action,
                subject,
                finding,
                "a response is over that the store never had: it is not recorded"
            );
            return self.tools.responses.done(&id);
        }
        match self.carry_out(work.wanted.clone()).await {
            Ok(None) => self.tools.responses.done(&id),
            Ok(Some(why_not)) => {
                tracing::warn!(action, subject, finding, "no response: {why_not}");
                self.tools.responses.done(&id);
            }
            Err(error @ (NotDone::Store(_) | NotDone::Busy)) => {
                if self.tools.responses.failed(&id) {
                    tracing::error!(%error, action, subject, finding, "a response holds here alone until the store has it");
                }
            }
            Err(error) => {
                tracing::error!(%error, action, subject, finding, "a response failed");
                self.tools.responses.done(&id);
            }
        }
    }

    /// Why not, where it cannot be done.
    async fn carry_out(&self, wanted: Wanted) -> Result<Option<&'static str>, NotDone> {
        let Wanted { mut response, instead, .. } = wanted;
        if response.action == ResponseAction::SuspendClient {
            match self.tools.store.client(&response.subject).await? {
                None => return Ok(Some("the client is not in the record")),
                // Anybody can register anybody's public metadata: who did is to be kept away, and not who shares the client.
                Some(client) if client.digest.is_some() => match instead {
                    Some((action, subject)) => response = ResponseRecord { action, subject, ..response },
                    None => return Ok(Some("others share the client, and nobody else can be named")),
                },
                Some(client) if !client.lifecycle.state().is_live() => return Ok(Some("the client is gone")),
                Some(_) => {}
            }
        }
        let response = self.enter(response, self.tools.clock.now()).await?;
        // Before it is let go here, it is to be known to be there.
        self.tools.responses.refresh(&*self.tools.store).await?;
        if response.action == ResponseAction::SuspendClient && !response.dry_run {
            self.suspend(&response).await?;
        }
        Ok(None)
    }

    /// Why what is called for cannot be done here, as far as can be told without the store.
    fn possible(&self, rulebook: &Rulebook, called: &Called) -> Result<(), &'static str> {
        if self.tools.responses.in_force.load().len() >= MOST_IN_FORCE {
            return Err("there are too many in force");
        }
        match called.action {
            ResponseAction::TightenThrottle if !rulebook.profile_limits.contains_key(&called.subject) => {
                Err("the profile has no limits")
            }
            ResponseAction::RequireApproval if !rulebook.under_approval.contains_key(&called.subject) => {
                Err("the profile wants an approval already, or there is none of its name")
            }
            _ => Ok(()),
        }
    }

    fn wanted(&self, called: Called, finding: &Finding, name: &str) -> Wanted {
        let now = self.tools.clock.now();
        let response = ResponseRecord {
            id: self.tools.random_name(),
            action: called.action,
            subject: called.subject,
            factor: called.factor,
            dry_run: called.dry_run,
            author: finding.detector.as_str().to_owned(),
            finding: Some(name.to_owned()),
            reason: Some(finding.sentence.clone()),
            created_at: now,
            expires_at: now.after(called.lasts.0),
            ended: None,
        };
        Wanted { response, instead: called.instead, is_at_work: true, has_failed: false }
    }
}

impl KnownResponses {
    /// It holds from now on, and is the caller's work; none: the same waits already, and lasts as long as both.
    fn want(&self, wanted: Wanted) -> Result<Option<Work<'_>>, &'static str> {
        let mut waiting = self.waiting();
        let same = waiting.iter_mut().filter(|known| !known.is_at_work).find(|known| known.is_same(&wanted));
        let work = if let Some(known) = same {
            known.response.expires_at = known.response.expires_at.max(wanted.response.expires_at);
            known.response.factor = known.response.factor.max(wanted.response.factor);
            None
        } else if waiting.len() < MOST_WAITING {
            waiting.push(wanted.clone());
            Some(Work { known: self, wanted })
        } else {
            return Err("too many wait for the store");
        };
        drop(waiting);
        self.hold();
        Ok(work)
    }

    /// Those that nobody is at: they are the caller's work from now on.
    fn idle(&self) -> Vec<Work<'_>> {
        let mut waiting = self.waiting();
        let idle = waiting.iter_mut().filter(|wanted| !wanted.is_at_work);
        idle.map(|wanted| {
            wanted.is_at_work = true;
            Work { known: self, wanted: wanted.clone() }
        })
        .collect()
    }

    /// The store has it, or it is not to be.
    fn done(&self, id: &str) {
        self.waiting().retain(|wanted| wanted.response.id != id);
        self.hold();
    }

    /// It still waits; true the first time.
    fn failed(&self, id: &str) -> bool {
        let mut waiting = self.waiting();
        let wanted = waiting.iter_mut().find(|wanted| wanted.response.id == id);
        wanted.is_some_and(|wanted| !std::mem::replace(&mut wanted.has_failed, true))
    }

    fn count_waiting(&self) -> usize {
        self.waiting().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn ban(id: &str) -> Wanted {
        let response = ResponseRecord {
            id: id.to_owned(),
            action: ResponseAction::BanAddress,
            subject: format!("192.0.2.{id}/32"),
            factor: 1,
            dry_run: false,
            author: "token_guessing".to_owned(),
            finding: None,
            reason: None,
            created_at: Timestamp::from_unix_millis(0),
            expires_at: Timestamp::from_unix_millis(60_000),
            ended: None,
        };
        Wanted { response, instead: None, is_at_work: true, has_failed: false }
    }

    #[test]
    fn what_breaks_off_is_tried_again_and_what_somebody_is_at_is_not() {
        let known = KnownResponses::default();
        let first = known.want(ban("1")).unwrap().expect("it is new");
        let idle = || known.idle().iter().map(|work| work.wanted.response.id.clone()).collect::<Vec<_>>();
        assert_eq!(idle(), Vec::<String>::new());
        drop(first);
        assert_eq!(idle(), ["1"]);
        assert_eq!(idle(), ["1"], "it broke off once more");
        let again = known.idle();
        known.done("1");
        drop(again);
        assert_eq!((idle(), known.count_waiting()), (Vec::new(), 0));
    }
}
