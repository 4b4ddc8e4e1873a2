//! A client's life as a state machine: each state holds what exists then, each transition consumes the state it starts from.
//! Pure: the time and the person are arguments.

mod approval;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

pub use approval::{Approval, Eyes, NoSecond, Vote};

/// Where a client is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Lifecycle {
    /// Waits until somebody approves it, or until it expires.
    Pending {
        /// From this moment on it is to be removed.
        until: Timestamp,
        /// It cannot be used before somebody approves it; otherwise it works with its initial scopes.
        #[serde(default)]
        before_use: bool,
    },
    /// Works.
    Active,
    /// Cannot be used, managed or handed out again until it is resumed.
    Suspended {
        /// Who did it, when and why.
        by: Action,
        /// It was pending, and would have been until then. The clock stands meanwhile: resuming gives it [what was left](Lifecycle::left).
        pending_until: Option<Timestamp>,
        /// It could not be used then either.
        #[serde(default)]
        before_use: bool,
    },
    /// An approval was refused: removed at the server, and the same request is refused.
    Rejected {
        /// Who did it, when and why.
        by: Action,
    },
    /// Nobody approved or used it in time: removed at the server.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// Removed at the server, by its owner or by an operator, or found gone there.
    Deleted {
        /// Who did it, when and why.
        by: Action,
    },
}

/// The [actor](Action::actor) who is the owner of a client's registration access token.
pub const CLIENT: &str = "client";

/// The [actor](Action::actor) who is the gateway itself.
pub const GATEWAY: &str = "gateway";

/// What somebody did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// When.
    pub at: Timestamp,
    /// Who: an operator's name, [`CLIENT`], [`GATEWAY`], or the detector that called for a response.
    pub actor: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What the authorization server is to have of a client, or has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtTheServer {
    /// It is there and can be used.
    Enabled,
    /// It is there and cannot be used, where the server can disable a client.
    Disabled,
    /// It is not there.
    Absent,
}

/// The names of the states, as they are stored, filtered by, shown and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// [`Lifecycle::Pending`]
    Pending,
    /// [`Lifecycle::Active`]
    Active,
    /// [`Lifecycle::Suspended`]
    Suspended,
    /// [`Lifecycle::Rejected`]
    Rejected,
    /// [`Lifecycle::Expired`]
    Expired,
    /// [`Lifecycle::Deleted`]
    Deleted,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Active, Self::Suspended, Self::Rejected, Self::Expired, Self::Deleted];

    /// As it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
        }
    }

    /// Whether the client exists at the server: counted as a live client.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Active | Self::Suspended)
    }

    /// Whether others who ask for the same get this client, or are refused because of it.
    pub const fn holds_its_digest(self) -> bool {
        self.is_live() || matches!(self, Self::Rejected)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no lifecycle state; there are: {}", known()))
    }
}

/// A transition that the state does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client is {0}")]
pub struct NotPossible(pub State);

impl Lifecycle {
    /// The name of the state.
    pub const fn state(&self) -> State {
        match self {
            Self::Pending { .. } => State::Pending,
            Self::Active => State::Active,
            Self::Suspended { .. } => State::Suspended,
            Self::Rejected { .. } => State::Rejected,
            Self::Expired { .. } => State::Expired,
            Self::Deleted { .. } => State::Deleted,
        }
    }

    /// What the server is to have of it.
    pub const fn at_the_server(&self) -> AtTheServer {
        match self {
            Self::Active | Self::Pending { before_use: false, .. } => AtTheServer::Enabled,
            Self::Suspended { .. } | Self::Pending { before_use: true, .. } => AtTheServer::Disabled,
            Self::Rejected { .. } | Self::Expired { .. } | Self::Deleted { .. } => AtTheServer::Absent,
        }
    }

    /// Takes it out of use, for a while.
    pub fn suspend(self, by: Action) -> Result<Self, NotPossible> {
        match self {
            Self::Active => Ok(Self::Suspended { by, pending_until: None, before_use: false }),
            Self::Pending { until, before_use } => Ok(Self::Suspended { by, pending_until: Some(until), before_use }),
            other => Err(NotPossible(other.state())),
        }
    }

    /// Puts it back to where it was; one that waited for an approval waits on, for as long as was left of its time.
    pub fn resume(self, now: Timestamp) -> Result<Self, NotPossible> {
        match (self.left(), self) {
            (None, Self::Suspended { .. }) => Ok(Self::Active),
            (Some(left), Self::Suspended { before_use, .. }) => {
                Ok(Self::Pending { until: now.after(left), before_use })
            }
            (_, other) => Err(NotPossible(other.state())),
        }
    }

    /// How long one that is suspended will wait for an approval once it is resumed; none: it does not wait for one.
    pub fn left(&self) -> Option<Duration> {
        match self {
            Self::Suspended { by, pending_until, .. } => pending_until.map(|until| until.since(by.at)),
            _ => None,
        }
    }

    /// Somebody approved what it asked for.
    pub fn approve(self) -> Result<Self, NotPossible> {
        match self {
            Self::Pending { .. } => Ok(Self::Active),
            other => Err(NotPossible(other.state())),
        }
    }

    /// Somebody grants it more than it has; it stays what it is.
    pub fn elevate(self) -> Result<Self, NotPossible> {
        match self {
            Self::Active => Ok(Self::Active),
            other => Err(NotPossible(other.state())),
        }
    }

    /// Somebody refused what it asked for. One that is suspended while it waits need not be resumed for that.
    pub fn reject(self, by: Action) -> Result<Self, NotPossible> {
        match self {
            Self::Pending { .. } | Self::Suspended { pending_until: Some(_), .. } => Ok(Self::Rejected { by }),
            other => Err(NotPossible(other.state())),
        }
    }

    /// Nobody approved it in time. One that is suspended waits for whoever suspended it.
    pub fn expire(self, at: Timestamp) -> Result<Self, NotPossible> {
        match self {
            Self::Pending { until, .. } if until <= at => Ok(Self::Expired { at }),
            other => Err(NotPossible(other.state())),
        }
    }

    /// Nobody ever used it. What is not in use yet, or not any more, ends otherwise.
    pub fn expire_unused(self, at: Timestamp) -> Result<Self, NotPossible> {
        match self {
            Self::Active => Ok(Self::Expired { at }),
            other => Err(NotPossible(other.state())),
        }
    }

    /// Ends it. What was rejected stays rejected, until somebody [lifts](Self::lift_rejection) that.
    pub fn delete(self, by: Action) -> Result<Self, NotPossible> {
        match self {
            Self::Pending { .. } | Self::Active | Self::Suspended { .. } => Ok(Self::Deleted { by }),
            other => Err(NotPossible(other.state())),
        }
    }

    /// Lets go of a rejection: the same request may come back, as a fresh client. It is absent at the server as before.
    pub fn lift_rejection(self, by: Action) -> Result<Self, NotPossible> {
        match self {
            Self::Rejected { .. } => Ok(Self::Deleted { by }),
            other => Err(NotPossible(other.state())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIL: Timestamp = Timestamp::from_unix_millis(9);

    fn by() -> Action {
        Action { at: Timestamp::from_unix_millis(5), actor: "ada".to_owned(), comment: None }
    }

    fn all() -> [Lifecycle; 7] {
        [
            Lifecycle::Pending { until: UNTIL, before_use: true },
            Lifecycle::Active,
            Lifecycle::Suspended { by: by(), pending_until: None, before_use: false },
            Lifecycle::Suspended { by: by(), pending_until: Some(UNTIL), before_use: true },
            Lifecycle::Rejected { by: by() },
            Lifecycle::Expired { at: UNTIL },
            Lifecycle::Deleted { by: by() },
        ]
    }

    #[test]
    fn only_these_transitions_exist() {
        let name = |result: Result<Lifecycle, NotPossible>| result.map_or("-", |to| to.state().as_str());
        let table: Vec<String> = all()
            .into_iter()
            .map(|from| {
                let to = [
                    from.clone().suspend(by()),
                    from.clone().resume(UNTIL),
                    from.clone().approve(),
                    from.clone().elevate(),
                    from.clone().reject(by()),
                    from.clone().expire(UNTIL),
                    from.clone().expire_unused(UNTIL),
                    from.clone().delete(by()),
                    from.clone().lift_rejection(by()),
                ];
                format!("{}: {}", from.state(), to.map(name).join(" "))
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"), @r"
        pending: suspended - active - rejected expired - deleted -
        active: suspended - - active - - expired deleted -
        suspended: - active - - - - - deleted -
        suspended: - pending - - rejected - - deleted -
        rejected: - - - - - - - - deleted
        expired: - - - - - - - - -
        deleted: - - - - - - - - -
        ");
    }

    #[test]
    fn nothing_expires_before_its_time() {
        let pending = Lifecycle::Pending { until: UNTIL, before_use: false };
        assert!(pending.clone().expire(by().at).is_err());
        assert_eq!(pending.expire(UNTIL), Ok(Lifecycle::Expired { at: UNTIL }));
    }

    #[test]
    fn what_cannot_be_used_yet_cannot_after_a_suspension_either() {
        let pending = Lifecycle::Pending { until: UNTIL, before_use: true };
        let resumed = pending.clone().suspend(by()).and_then(|suspended| suspended.resume(by().at));
        assert_eq!(resumed.map(|to| (to.at_the_server(), to)), Ok((AtTheServer::Disabled, pending)));
    }

    #[test]
    fn the_clock_of_one_that_waits_stands_while_it_is_suspended() {
        let pending = Lifecycle::Pending { until: UNTIL, before_use: false };
        let suspended = pending.suspend(by()).unwrap();
        assert_eq!(suspended.left(), Some(Duration::from_millis(4)));
        let (late, until) = (Timestamp::from_unix_millis(100), Timestamp::from_unix_millis(104));
        let resumed = suspended.resume(late).unwrap();
        assert_eq!(resumed, Lifecycle::Pending { until, before_use: false });
        assert!(resumed.expire(late).is_err(), "it has what was left of its time");
        assert_eq!(Lifecycle::Active.suspend(by()).unwrap().left(), None);
    }

    #[test]
    fn what_was_written_before_there_was_a_before_use_is_read() {
        let text = r#"{"state":"suspended","by":{"at":5,"actor":"ada"},"pending_until":null}"#;
        let suspended = Lifecycle::Suspended { by: by(), pending_until: None, before_use: false };
        assert_eq!(serde_json::from_str::<Lifecycle>(text).ok(), Some(suspended));
    }

    #[test]
    fn is_written_and_read_back() {
        for lifecycle in all() {
            let text = serde_json::to_string(&lifecycle).unwrap();
            assert_eq!(serde_json::from_str::<Lifecycle>(&text).unwrap(), lifecycle);
            assert!(text.contains(lifecycle.state().as_str()), "{text}");
        }
    }

    #[test]
    fn states_are_read_by_their_names_alone() {
        for state in State::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        assert!("Active".parse::<State>().unwrap_err().contains("pending, active"));
    }
}
