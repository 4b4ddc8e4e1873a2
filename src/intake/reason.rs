//! Why a request got the answer it got: one closed list, from which status, code, sentence, metrics and `docs/errors.md` are read.
//! What is said about each stands in `texts`.

mod texts;

use http::StatusCode;
use serde::Serialize;

use crate::registration::ErrorCode;

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each has its sentence in `Reason::explained`, which the documents are made from")]
pub enum Reason {
    // The request as HTTP.
    FramingAmbiguous,
    HostInvalid,
    TargetInvalid,
    PathMisspelt,
    PathNotOffered,
    PathUnknown,
    MethodNotAllowed,
    MethodUnknown,
    HeadTooLarge,
    HeadTimedOut,
    MediaTypeUnsupported,
    BodyTooLarge,
    BodyTimedOut,
    BodyBroken,
    // Who asks.
    CertificateRefused,
    CertificateRequired,
    TokenRequired,
    TokenMalformed,
    TokenUnknown,
    TokenExpired,
    TokenSpent,
    TokenRevoked,
    TokenInvalid,
    TokenForSomethingElse,
    TokenWithoutId,
    TokenCertificateUnmet,
    TokenUnverifiable,
    TokenProfileUnmet,
    ProfileNone,
    // What is done about somebody.
    AddressBanned,
    CertificateBanned,
    TokenBanned,
    RegistrationLockedDown,
    // How often.
    Throttled,
    QuotaReached,
    // What is asked.
    JsonMalformed,
    StatementRequired,
    StatementInvalid,
    StatementExpired,
    StatementBindingUnmet,
    StatementIssuerUntrusted,
    StatementBlocked,
    StatementKeysUnavailable,
    RulesViolated,
    ClientIdMetadataDocument,
    // A registered client.
    ManagementNotOffered,
    ManagementTokenRequired,
    ManagementTokenUnknown,
    ChangeInvalid,
    GrowthRefused,
    ClientPending,
    ClientSuspended,
    ClientRejected,
    ClientOutOfUse,
    ClientOutOfUseInBrowser,
    ClientUnclear,
    ClientUnmanageable,
    ClientBusy,
    // The gateway's own means.
    ThrottleUnavailable,
    StoreUnavailable,
    RegistrationClosed,
    ForwardingCrowded,
    ForwardingLoop,
    Internal,
    // The authorization server.
    ServerUnreachable,
    ServerUnavailable,
    ServerTimedOut,
    ServerBroken,
    ServerMisdirected,
    ServerRefused,
    ServerPolicyRefused,
    ServerTokenRefused,
    ServerCredentialRefused,
    ServerRateLimited,
}

/// Everything that is fixed about a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explained {
    /// Stable name in metrics, traces, logs and the audit.
    pub name: &'static str,
    /// The status of the answer.
    pub status: StatusCode,
    /// The `error` of the answer; for violated rules the first violation's code stands instead.
    pub code: ErrorCode,
    /// The stable sentence for the client, where nothing more exact is known.
    pub sentence: &'static str,
    /// What the client's developer can do, for the document.
    pub remedy: &'static str,
}

impl Reason {
    /// All of them, in the order of the document.
    pub const ALL: [Self; 74] = [
        Self::FramingAmbiguous,
        Self::HostInvalid,
        Self::TargetInvalid,
        Self::PathMisspelt,
        Self::PathNotOffered,
        Self::PathUnknown,
        Self::MethodNotAllowed,
        Self::MethodUnknown,
        Self::HeadTooLarge,
        Self::HeadTimedOut,
        Self::MediaTypeUnsupported,
        Self::BodyTooLarge,
        Self::BodyTimedOut,
        Self::BodyBroken,
        Self::CertificateRefused,
        Self::CertificateRequired,
        Self::TokenRequired,
        Self::TokenMalformed,
        Self::TokenUnknown,
        Self::TokenExpired,
        Self::TokenSpent,
        Self::TokenRevoked,
        Self::TokenInvalid,
        Self::TokenForSomethingElse,
        Self::TokenWithoutId,
        Self::TokenCertificateUnmet,
        Self::TokenUnverifiable,
        Self::TokenProfileUnmet,
        Self::ProfileNone,
        Self::AddressBanned,
        Self::CertificateBanned,
        Self::TokenBanned,
        Self::RegistrationLockedDown,
        Self::Throttled,
        Self::QuotaReached,
        Self::JsonMalformed,
        Self::StatementRequired,
        Self::StatementInvalid,
        Self::StatementExpired,
        Self::StatementBindingUnmet,
        Self::StatementIssuerUntrusted,
        Self::StatementBlocked,
        Self::StatementKeysUnavailable,
        Self::RulesViolated,
        Self::ClientIdMetadataDocument,
        Self::ManagementNotOffered,
        Self::ManagementTokenRequired,
        Self::ManagementTokenUnknown,
        Self::ChangeInvalid,
        Self::GrowthRefused,
        Self::ClientPending,
        Self::ClientSuspended,
        Self::ClientRejected,
        Self::ClientOutOfUse,
        Self::ClientOutOfUseInBrowser,
        Self::ClientUnclear,
        Self::ClientUnmanageable,
        Self::ClientBusy,
        Self::ThrottleUnavailable,
        Self::StoreUnavailable,
        Self::RegistrationClosed,
        Self::ForwardingCrowded,
        Self::ForwardingLoop,
        Self::Internal,
        Self::ServerUnreachable,
        Self::ServerUnavailable,
        Self::ServerTimedOut,
        Self::ServerBroken,
        Self::ServerMisdirected,
        Self::ServerRefused,
        Self::ServerPolicyRefused,
        Self::ServerTokenRefused,
        Self::ServerCredentialRefused,
        Self::ServerRateLimited,
    ];

    /// Whether the authorization server said no, or nothing: what the gateway decided stands beside it.
    pub const fn is_the_servers(self) -> bool {
        matches!(
            self,
            Self::ServerUnreachable
                | Self::ServerUnavailable
                | Self::ServerTimedOut
                | Self::ServerBroken
                | Self::ServerCredentialRefused
                | Self::ServerTokenRefused
                | Self::ServerRefused
                | Self::ServerPolicyRefused
                | Self::ServerMisdirected
                | Self::ServerRateLimited
        )
    }

    /// Its stable name in metrics, traces, logs and the audit.
    pub const fn name(self) -> &'static str {
        self.explained().name
    }

    /// Everything that is fixed about it.
    pub const fn explained(self) -> Explained {
        use ErrorCode as C;
        use StatusCode as S;
        let (name, status, code) = match self {
            Self::FramingAmbiguous => ("framing_ambiguous", S::BAD_REQUEST, C::InvalidRequest),
            Self::HostInvalid => ("host_invalid", S::BAD_REQUEST, C::InvalidRequest),
            Self::TargetInvalid => ("target_invalid", S::BAD_REQUEST, C::InvalidRequest),
            Self::PathMisspelt => ("path_misspelt", S::BAD_REQUEST, C::InvalidRequest),
            Self::PathNotOffered => ("path_not_offered", S::FORBIDDEN, C::AccessDenied),
            Self::PathUnknown => ("path_unknown", S::NOT_FOUND, C::InvalidRequest),
            Self::MethodNotAllowed => ("method_not_allowed", S::METHOD_NOT_ALLOWED, C::InvalidRequest),
            Self::MethodUnknown => ("method_unknown", S::NOT_IMPLEMENTED, C::InvalidRequest),
            Self::HeadTooLarge => ("head_too_large", S::REQUEST_HEADER_FIELDS_TOO_LARGE, C::InvalidRequest),
            Self::HeadTimedOut => ("head_timed_out", S::REQUEST_TIMEOUT, C::InvalidRequest),
            Self::MediaTypeUnsupported => ("media_type_unsupported", S::UNSUPPORTED_MEDIA_TYPE, C::InvalidRequest),
            Self::BodyTooLarge => ("body_too_large", S::PAYLOAD_TOO_LARGE, C::InvalidRequest),
            Self::BodyTimedOut => ("body_timed_out", S::REQUEST_TIMEOUT, C::InvalidRequest),
            Self::BodyBroken => ("body_broken", S::BAD_REQUEST, C::InvalidRequest),
            Self::CertificateRefused => ("certificate_refused", S::UNAUTHORIZED, C::InvalidClient),
            Self::CertificateRequired => ("certificate_required", S::FORBIDDEN, C::AccessDenied),
            Self::TokenRequired => ("token_required", S::UNAUTHORIZED, C::InvalidToken),
            Self::TokenMalformed => ("token_malformed", S::UNAUTHORIZED, C::InvalidToken),
            Self::TokenUnknown => ("token_unknown", S::UNAUTHORIZED, C::InvalidToken),
            Self::TokenExpired => ("token_expired", S::UNAUTHORIZED, C::InvalidToken),
            Self::TokenSpent => ("token_spent", S::UNAUTHORIZED, C::InvalidToken),
            Self::TokenRevoked => ("token_revoked", S::UNAUTHORIZED, C::InvalidToken),
            Self::TokenInvalid => ("token_invalid", S::UNAUTHORIZED, C::InvalidToken),
            Self::TokenForSomethingElse => ("token_for_something_else", S::UNAUTHORIZED, C::InvalidToken),
            Self::TokenWithoutId => ("token_without_id", S::UNAUTHORIZED, C::InvalidToken),
            Self::TokenCertificateUnmet => ("token_certificate_unmet", S::UNAUTHORIZED, C::InvalidToken),
            Self::TokenUnverifiable => ("token_unverifiable", S::SERVICE_UNAVAILABLE, C::TemporarilyUnavailable),
            Self::TokenProfileUnmet => ("token_profile_unmet", S::FORBIDDEN, C::AccessDenied),
            Self::ProfileNone => ("profile_none", S::FORBIDDEN, C::AccessDenied),
            Self::AddressBanned => ("address_banned", S::FORBIDDEN, C::AccessDenied),
            Self::CertificateBanned => ("certificate_banned", S::FORBIDDEN, C::AccessDenied),
            Self::TokenBanned => ("token_banned", S::FORBIDDEN, C::AccessDenied),
            Self::RegistrationLockedDown => {
                ("registration_locked_down", S::SERVICE_UNAVAILABLE, C::TemporarilyUnavailable)
            }
            Self::Throttled => ("throttled", S::TOO_MANY_REQUESTS, C::TooManyRequests),
            Self::QuotaReached => ("quota_reached", S::TOO_MANY_REQUESTS, C::TooManyRequests),
            Self::JsonMalformed => ("json_malformed", S::BAD_REQUEST, C::InvalidClientMetadata),
            Self::StatementRequired => ("statement_required", S::BAD_REQUEST, C::InvalidSoftwareStatement),
            Self::StatementInvalid => ("statement_invalid", S::BAD_REQUEST, C::InvalidSoftwareStatement),
            Self::StatementExpired => ("statement_expired", S::BAD_REQUEST, C::InvalidSoftwareStatement),
            Self::StatementBindingUnmet => ("statement_binding_unmet", S::BAD_REQUEST, C::InvalidSoftwareStatement),
            Self::StatementIssuerUntrusted => {
                ("statement_issuer_untrusted", S::BAD_REQUEST, C::UnapprovedSoftwareStatement)
            }
            Self::StatementBlocked => ("statement_blocked", S::BAD_REQUEST, C::UnapprovedSoftwareStatement),
            Self::StatementKeysUnavailable => {
                ("statement_keys_unavailable", S::SERVICE_UNAVAILABLE, C::TemporarilyUnavailable)
            }
            Self::RulesViolated => ("rules_violated", S::BAD_REQUEST, C::InvalidClientMetadata),
            Self::ClientIdMetadataDocument => ("client_id_metadata_document", S::BAD_REQUEST, C::InvalidRequest),
            Self::ManagementNotOffered => ("management_not_offered", S::FORBIDDEN, C::AccessDenied),
            Self::ManagementTokenRequired => ("management_token_required", S::UNAUTHORIZED, C::InvalidToken),
            Self::ManagementTokenUnknown => ("management_token_unknown", S::UNAUTHORIZED, C::InvalidToken),
            Self::ChangeInvalid => ("change_invalid", S::BAD_REQUEST, C::InvalidClientMetadata),
            Self::GrowthRefused => ("growth_refused", S::FORBIDDEN, C::AccessDenied),
            Self::ClientPending => ("client_pending", S::FORBIDDEN, C::AccessDenied),
            Self::ClientSuspended => ("client_suspended", S::FORBIDDEN, C::AccessDenied),
            Self::ClientRejected => ("client_rejected", S::FORBIDDEN, C::AccessDenied),
            Self::ClientOutOfUse => ("client_out_of_use", S::UNAUTHORIZED, C::InvalidClient),
            Self::ClientOutOfUseInBrowser => ("client_out_of_use_in_browser", S::BAD_REQUEST, C::InvalidClient),
            Self::ClientUnclear => ("client_unclear", S::BAD_REQUEST, C::InvalidRequest),
            Self::ClientUnmanageable => ("client_unmanageable", S::SERVICE_UNAVAILABLE, C::TemporarilyUnavailable),
            Self::ClientBusy => ("client_busy", S::SERVICE_UNAVAILABLE, C::TemporarilyUnavailable),
            Self::ThrottleUnavailable => ("throttle_unavailable", S::SERVICE_UNAVAILABLE, C::TemporarilyUnavailable),
            Self::StoreUnavailable => ("store_unavailable", S::SERVICE_UNAVAILABLE, C::TemporarilyUnavailable),
            Self::RegistrationClosed => ("registration_closed", S::SERVICE_UNAVAILABLE, C::TemporarilyUnavailable),
            Self::ForwardingCrowded => ("forwarding_crowded", S::SERVICE_UNAVAILABLE, C::TemporarilyUnavailable),
            Self::ForwardingLoop => ("forwarding_loop", S::LOOP_DETECTED, C::ServerError),
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, C::ServerError),
            Self::ServerUnreachable => ("server_unreachable", S::SERVICE_UNAVAILABLE, C::TemporarilyUnavailable),
            Self::ServerUnavailable => ("server_unavailable", S::SERVICE_UNAVAILABLE, C::TemporarilyUnavailable),
            Self::ServerTimedOut => ("server_timed_out", S::GATEWAY_TIMEOUT, C::TemporarilyUnavailable),
            Self::ServerBroken => ("server_broken", S::BAD_GATEWAY, C::ServerError),
            Self::ServerMisdirected => ("server_misdirected", S::BAD_GATEWAY, C::ServerError),
            Self::ServerRefused => ("server_refused", S::BAD_REQUEST, C::InvalidClientMetadata),
            Self::ServerPolicyRefused => ("server_policy_refused", S::FORBIDDEN, C::AccessDenied),
            Self::ServerTokenRefused => ("server_token_refused", S::UNAUTHORIZED, C::InvalidToken),
            Self::ServerCredentialRefused => ("server_credential_refused", S::BAD_GATEWAY, C::ServerError),
            Self::ServerRateLimited => ("server_rate_limited", S::SERVICE_UNAVAILABLE, C::TemporarilyUnavailable),
        };
        let (sentence, remedy) = self.texts();
        Explained { name, status, code, sentence, remedy }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_serde_writes_and_each_stands_once() {
        let mut seen = std::collections::HashSet::new();
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
            assert!(seen.insert(reason), "{reason:?} stands twice");
        }
    }

    #[test]
    fn sentences_are_sentences() {
        for reason in Reason::ALL {
            let explained = reason.explained();
            assert!(explained.sentence.chars().next().is_some_and(char::is_lowercase), "{reason:?}");
            assert!(explained.remedy.ends_with('.'), "{reason:?}");
        }
    }
}
