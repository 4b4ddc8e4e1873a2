//! What can happen: the closed list of events, and how each is recorded.

use serde::{Deserialize, Serialize};

/// What happened. `docs/audit.md` explains each; a test compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each has its sentence in `docs/audit.md`")]
pub enum Kind {
    // Registrations.
    RegistrationAdmitted,
    RegistrationLetThrough,
    RegistrationRepeated,
    RegistrationRefused,
    RegistrationFailed,
    RegistrationUnknown,
    RegistrationResolved,
    // What clients do with their registration.
    ClientRead,
    ClientUpdated,
    ClientDeleted,
    ManagementRefused,
    // What clients do at the endpoints that are forwarded.
    ForwardedRefused,
    // What operators do to clients, and time.
    ClientApproved,
    ClientElevated,
    ClientRejected,
    ClientSuspended,
    ClientResumed,
    ClientRemoved,
    ClientImported,
    ClientExpired,
    // What is done about findings, or by an operator's order.
    ResponseImposed,
    ResponseDryRun,
    ResponseProlonged,
    ResponseLifted,
    ResponseExpired,
    // Tokens; their use stands in the event of the registration.
    TokenCreated,
    TokenRevoked,
    // The gateway.
    ProcessStarted,
    ProcessStopped,
    ConfigurationLoaded,
    ConfigurationRefused,
    KeyRotated,
    OperatorRefused,
    OperatorSignedIn,
    OperatorSignedOut,
    SignInRefused,
    AlertGivenUp,
    // The record itself.
    RefusalsCounted,
    RecordsLost,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 39] = [
        Self::RegistrationAdmitted,
        Self::RegistrationLetThrough,
        Self::RegistrationRepeated,
        Self::RegistrationRefused,
        Self::RegistrationFailed,
        Self::RegistrationUnknown,
        Self::RegistrationResolved,
        Self::ClientRead,
        Self::ClientUpdated,
        Self::ClientDeleted,
        Self::ManagementRefused,
        Self::ForwardedRefused,
        Self::ClientApproved,
        Self::ClientElevated,
        Self::ClientRejected,
        Self::ClientSuspended,
        Self::ClientResumed,
        Self::ClientRemoved,
        Self::ClientImported,
        Self::ClientExpired,
        Self::ResponseImposed,
        Self::ResponseDryRun,
        Self::ResponseProlonged,
        Self::ResponseLifted,
        Self::ResponseExpired,
        Self::TokenCreated,
        Self::TokenRevoked,
        Self::ProcessStarted,
        Self::ProcessStopped,
        Self::ConfigurationLoaded,
        Self::ConfigurationRefused,
        Self::KeyRotated,
        Self::OperatorRefused,
        Self::OperatorSignedIn,
        Self::OperatorSignedOut,
        Self::SignInRefused,
        Self::AlertGivenUp,
        Self::RefusalsCounted,
        Self::RecordsLost,
    ];

    /// As it is recorded.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RegistrationAdmitted => "registration_admitted",
            Self::RegistrationLetThrough => "registration_let_through",
            Self::RegistrationRepeated => "registration_repeated",
            Self::RegistrationRefused => "registration_refused",
            Self::RegistrationFailed => "registration_failed",
            Self::RegistrationUnknown => "registration_unknown",
            Self::RegistrationResolved => "registration_resolved",
            Self::ClientRead => "client_read",
            Self::ClientUpdated => "client_updated",
            Self::ClientDeleted => "client_deleted",
            Self::ManagementRefused => "management_refused",
            Self::ForwardedRefused => "forwarded_refused",
            Self::ClientApproved => "client_approved",
            Self::ClientElevated => "client_elevated",
            Self::ClientRejected => "client_rejected",
            Self::ClientSuspended => "client_suspended",
            Self::ClientResumed => "client_resumed",
            Self::ClientRemoved => "client_removed",
            Self::ClientImported => "client_imported",
            Self::ClientExpired => "client_expired",
            Self::ResponseImposed => "response_imposed",
            Self::ResponseDryRun => "response_dry_run",
            Self::ResponseProlonged => "response_prolonged",
            Self::ResponseLifted => "response_lifted",
            Self::ResponseExpired => "response_expired",
            Self::TokenCreated => "token_created",
            Self::TokenRevoked => "token_revoked",
            Self::ProcessStarted => "process_started",
            Self::ProcessStopped => "process_stopped",
            Self::ConfigurationLoaded => "configuration_loaded",
            Self::ConfigurationRefused => "configuration_refused",
            Self::KeyRotated => "key_rotated",
            Self::OperatorRefused => "operator_refused",
            Self::OperatorSignedIn => "operator_signed_in",
            Self::OperatorSignedOut => "operator_signed_out",
            Self::SignInRefused => "sign_in_refused",
            Self::AlertGivenUp => "alert_given_up",
            Self::RefusalsCounted => "refusals_counted",
            Self::RecordsLost => "records_lost",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_stands_in_the_list_under_its_own_name_and_in_the_document() {
        let document = include_str!("../../docs/audit.md");
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert!(document.contains(&format!("| `{}` |", kind.as_str())), "docs/audit.md: {}", kind.as_str());
        }
        let when = document.split_once("## When each is written").unwrap().1.split_once("\n## ").unwrap().0;
        for kind in Kind::ALL {
            assert!(when.contains(&format!("`{}`", kind.as_str())), "when {} is written", kind.as_str());
        }
        let rows = document.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 4).count();
        assert_eq!(rows, Kind::ALL.len(), "docs/audit.md explains each kind once, and nothing else in such a row");
    }
}
