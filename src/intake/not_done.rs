//! Why what an operator wished was not done: a closed list, of which the admin API makes its problems.

use tokio::task::JoinError;

use super::reason::Reason;
use super::refusal::Refusal;
use crate::authorization_server::{AdministrationError, ManageError};
use crate::lifecycle::{NoSecond, NotPossible};
use crate::store::{OutcomeName, RegistrationId, StoreError};

/// Why an operator's wish was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// No such client.
    #[error("there is no client {0:?} in the record")]
    ClientUnknown(String),
    /// No such registration.
    #[error("there is no registration {0:?} in the record")]
    RegistrationUnknown(String),
    /// The network that was to be banned is known.
    #[error("it is, or overlaps, a known network ({0}): anomalies.known_networks")]
    KnownNetwork(String),
    /// No such response.
    #[error("there is no response {0:?} in the record")]
    ResponseUnknown(String),
    /// It was lifted, or its time is over.
    #[error("response {0:?} is over already")]
    ResponseOver(String),
    /// Somebody changed it in between.
    #[error("the client was changed meanwhile: it is at version {0} now")]
    ChangedMeanwhile(i64),
    /// Its state does not have this transition.
    #[error("{0}: this cannot be done to it")]
    NotPossible(#[from] NotPossible),
    /// There is nothing to approve; but something may be withheld.
    #[error(
        "the client is active, and no change of it waits: to elevate it (`clients elevate`) grants what is withheld"
    )]
    NothingToApprove,
    /// It is not elevated before it is approved.
    #[error("the client is pending: to approve it (`clients approve`) grants what it waits for")]
    NotYetApproved,
    /// These scopes cannot be granted to it.
    #[error("these scopes cannot be granted: {0}")]
    ScopesImpossible(String),
    /// The second of two approvals is another person's, and has something in common with the first.
    #[error(transparent)]
    NoSecond(#[from] NoSecond),
    /// The rules were changed since the client asked.
    #[error("the rules no longer admit what the client asked for: {0}")]
    NoLongerAdmitted(String),
    /// Its profile is no longer configured: nobody knows what it may have.
    #[error("profile {0:?} is no longer configured: what the client may have is not known")]
    ProfileGone(String),
    /// There is no such profile.
    #[error("the configuration has no profile {0:?}")]
    ProfileUnknown(String),
    /// Nobody can say which clients there are.
    #[error(
        "this authorization server has no list of its clients that the gateway could read: kind rfc7591 has none, keycloak one with \
         authorization_server.administration"
    )]
    NoListing,
    /// Found out only now; the record says so now.
    #[error("the authorization server does not have the client (any more)")]
    Gone,
    /// The server gave no access to it and has no administration.
    #[error(
        "the authorization server gave nothing to manage this client with: change or delete it there, or suspend it; once it is deleted \
         there, `clients delete --gone` ends its record"
    )]
    NotOffered,
    /// The server's token is lost, and there is no administration to make another one.
    #[error(
        "the authorization server's token for this client is lost: delete it there, and then end its record with `clients delete --gone`"
    )]
    Unmanageable,
    /// Only an unknown outcome can be resolved.
    #[error("the outcome of the registration is not unknown: {}", .0.map_or("it is under way", OutcomeName::as_str))]
    OutcomeNotUnknown(Option<OutcomeName>),
    /// The client has a record of its own.
    #[error("the client is in the record already: it came of registration {}", .0.0)]
    ClientOfAnother(RegistrationId),
    /// The client at the server is not what was asked for.
    #[error("the client has other redirect URIs at the authorization server than this registration asked for")]
    OtherClient,
    /// Somebody else's turn at the client lasts.
    #[error("somebody else is at work on this client: try again")]
    Busy,
    /// Surely nothing was changed at the server, nor in the record.
    #[error("nothing was changed: {0}")]
    Server(String),
    /// The record is unchanged. What was asked can be asked again.
    #[error("whether the authorization server did it is unknown, the record is as it was; try again: {0}")]
    ServerUnclear(String),
    /// The store failed.
    #[error("{0}")]
    Store(String),
    /// Ours.
    #[error("{0}")]
    Internal(String),
}

impl From<Refusal> for NotDone {
    fn from(refusal: Refusal) -> Self {
        let cause = refusal.cause().unwrap_or_default().to_owned();
        match refusal.reason() {
            Reason::ClientBusy => Self::Busy,
            Reason::StoreUnavailable => Self::Store(cause),
            _ => Self::Internal(cause),
        }
    }
}

impl From<JoinError> for NotDone {
    fn from(error: JoinError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<StoreError> for NotDone {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<AdministrationError> for NotDone {
    fn from(error: AdministrationError) -> Self {
        match error {
            AdministrationError::NotFound => Self::Gone,
            error if error.surely_nothing_changed() => Self::Server(error.to_string()),
            error => Self::ServerUnclear(error.to_string()),
        }
    }
}

impl From<ManageError> for NotDone {
    fn from(error: ManageError) -> Self {
        if error.surely_nothing_changed() {
            Self::Server(error.to_string())
        } else {
            Self::ServerUnclear(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::unavailable;

    #[test]
    fn a_store_that_failed_is_said_to_have_failed_once() {
        let error = || StoreError("disk full".into());
        for not_done in [NotDone::from(error()), NotDone::from(unavailable(error()))] {
            assert_eq!(not_done.to_string(), "the store failed: disk full");
        }
    }
}
