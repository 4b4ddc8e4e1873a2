//! What a client is told of each reason, and what its developer can do about it.

use super::Reason;

impl Reason {
    /// The stable sentence of the answer, and the remedy of the document.
    pub(super) const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::FramingAmbiguous => (
                "the request's framing is ambiguous",
                "Send one Content-Length or one `Transfer-Encoding: chunked`, with CRLF line ends (RFC 9112 §6).",
            ),
            Self::HostInvalid => {
                ("the Host header is missing, doubled or not a host", "Send exactly one Host header (RFC 9112 §3.2).")
            }
            Self::TargetInvalid => (
                "the request target is not a plain path",
                "Send the path as it is published: no dot segments, no double slashes, no encoded slash, backslash or NUL.",
            ),
            Self::PathMisspelt => (
                "this is another spelling of a protected path",
                "Use the registration_endpoint of the server's metadata exactly as it is written there.",
            ),
            Self::PathNotOffered => (
                "this way of registering is not offered here",
                "Use the registration_endpoint of the server's metadata.",
            ),
            Self::PathUnknown => (
                "there is nothing at this path",
                "Use the registration_endpoint of the server's metadata; other paths are not forwarded here.",
            ),
            Self::MethodNotAllowed => ("this method is not allowed here", "Use a method that the Allow header names."),
            Self::MethodUnknown => ("this method is not known", "Use a registered HTTP method."),
            Self::HeadTooLarge => ("the request's headers are too large", "Send fewer or shorter headers."),
            Self::HeadTimedOut => ("the request's headers did not arrive in time", "Send the whole head at once."),
            Self::MediaTypeUnsupported => (
                "a registration is sent as application/json",
                "Send `Content-Type: application/json`, in UTF-8 and without Content-Encoding (RFC 7591 §3.1).",
            ),
            Self::BodyTooLarge => ("the request's body is too large", "Send at most 64 KiB."),
            Self::BodyTimedOut => ("the request's body did not arrive in time", "Send the whole body at once."),
            Self::BodyBroken => ("the request's body broke off", "Send as many bytes as Content-Length says."),
            Self::CertificateRefused => (
                "the client certificate is not accepted",
                "Present a certificate that is valid now, not revoked, and signed by an authority trusted here.",
            ),
            Self::CertificateRequired => (
                "a client certificate is required",
                "Connect with a client certificate; where the metadata has mtls_endpoint_aliases, use its registration_endpoint.",
            ),
            Self::TokenRequired => (
                "an initial access token is required",
                "Ask the operator for an initial access token and send it as `Authorization: Bearer …`.",
            ),
            Self::TokenMalformed => (
                "the Authorization header is not one bearer token",
                "Send exactly one `Authorization: Bearer …` header (RFC 6750 §2.1).",
            ),
            Self::TokenUnknown => (
                "the initial access token is not known here",
                "Ask the operator for an initial access token, or send none where none is required: SDKs of MCP send the Authorization header that is set for the MCP server along; take it out there.",
            ),
            Self::TokenExpired => {
                ("the initial access token has expired", "Ask the operator for a fresh initial access token.")
            }
            Self::TokenSpent => (
                "the initial access token has been used",
                "Ask the operator for a fresh initial access token; most are good for one registration.",
            ),
            Self::TokenRevoked => {
                ("the initial access token was revoked", "Ask the operator for a fresh initial access token.")
            }
            Self::TokenInvalid => (
                "the initial access token is not valid",
                "Get a fresh token from the issuer that the operator named; the operator's log says what was wrong with this one.",
            ),
            Self::TokenForSomethingElse => (
                "the token was not made for registering clients here",
                "Ask the issuer for a token with the audience and the scope that the operator named.",
            ),
            Self::TokenWithoutId => (
                "the initial access token has no jti, so it could be used twice",
                "Get a token with a `jti` of at most 256 bytes.",
            ),
            Self::TokenCertificateUnmet => (
                "the initial access token is bound to another client certificate",
                "Connect with the client certificate that the token was made for (RFC 8705).",
            ),
            Self::TokenUnverifiable => (
                "initial access tokens cannot be verified at the moment",
                "Try again as Retry-After says; the token was not used.",
            ),
            Self::TokenProfileUnmet => (
                "the initial access token is for registrants who also meet other conditions",
                "Register with the client certificate or from the network that the token was made for.",
            ),
            Self::ProfileNone => ("no profile admits this registrant", "Ask the operator who may register here."),
            Self::AddressBanned => (
                "requests from this address are not answered at the moment",
                "Ask the operator why, with the request_id; a ban ends by itself.",
            ),
            Self::CertificateBanned => (
                "this client certificate is not accepted at the moment",
                "Ask the operator why, with the request_id; a ban ends by itself.",
            ),
            Self::TokenBanned => (
                "this initial access token is not accepted at the moment",
                "Ask the operator why, with the request_id; a ban ends by itself.",
            ),
            Self::RegistrationLockedDown => (
                "clients are not registered or changed at the moment",
                "Try again as Retry-After says; nothing was registered. Clients that are registered work as before.",
            ),
            Self::Throttled => ("too many registration attempts", "Wait as long as Retry-After says."),
            Self::QuotaReached => (
                "as many clients as are allowed were registered",
                "Use the client that was registered before; delete clients that are no longer used; wait as long as Retry-After says.",
            ),
            Self::JsonMalformed => (
                "the body is not one JSON object",
                "Send one JSON object in UTF-8, each member once, at most 32 levels deep.",
            ),
            Self::StatementRequired => (
                "a software statement is required",
                "Send the statement of a directory that is trusted here as `software_statement` (RFC 7591 §2.3).",
            ),
            Self::StatementInvalid => (
                "the software statement is not valid",
                "Send it exactly as its issuer made it: a signed JWT with `iss`, meant for this server where it has an `aud`.",
            ),
            Self::StatementExpired => {
                ("the software statement does not hold at this time", "Get a fresh statement from its issuer.")
            }
            Self::StatementBindingUnmet => (
                "the software statement is bound to another client certificate",
                "Connect with the client certificate that the directory gave to the software of the statement.",
            ),
            Self::StatementIssuerUntrusted => (
                "the issuer of the software statement is not trusted here",
                "Ask the operator whose software statements are accepted.",
            ),
            Self::StatementBlocked => {
                ("this software may not register here", "Ask the operator, or the issuer of the statement, why.")
            }
            Self::StatementKeysUnavailable => (
                "the software statement cannot be verified at the moment",
                "Try again as Retry-After says: the keys of its issuer cannot be had.",
            ),
            Self::RulesViolated => (
                "the client metadata breaks the rules that apply here",
                "Mend what `violations` names; each entry has its place and its rule.",
            ),
            Self::ClientIdMetadataDocument => (
                "a client_id that is a URL is not accepted here",
                "Register at the registration_endpoint and use the client_id that it answers with.",
            ),
            Self::ManagementNotOffered => {
                ("registered clients cannot be read or changed here", "Ask the operator to change the client.")
            }
            Self::ManagementTokenRequired => (
                "a registration access token is required",
                "Send the registration_access_token of the registration as `Authorization: Bearer …` (RFC 7592 §2).",
            ),
            Self::ManagementTokenUnknown => (
                "the registration access token is not one for this client",
                "Use registration_client_uri and registration_access_token of one answer together; a client that was deleted has to register again.",
            ),
            Self::ChangeInvalid => (
                "the change of the client is not as RFC 7592 §2.2 says",
                "Send all that is to be registered, with the client_id, and without what only the server assigns.",
            ),
            Self::GrowthRefused => {
                ("a client cannot ask for more than it has here", "Ask the operator, or register another client.")
            }
            Self::ClientPending => {
                ("the client waits for an approval, and cannot be used before", "Ask the operator to approve it.")
            }
            Self::ClientSuspended => ("the client is suspended", "Ask the operator why, and to resume it."),
            Self::ClientRejected => ("this client was rejected", "Ask the operator why."),
            Self::ClientOutOfUse | Self::ClientOutOfUseInBrowser => (
                "the client is not one that may be used",
                "Register again, and forget this client_id: the client was suspended, rejected or removed. Where that is refused, ask the operator why.",
            ),
            Self::ClientUnclear => (
                "the request does not say clearly which client it is of",
                "Send one client_id, or one client_assertion that is a signed JWT, in an application/x-www-form-urlencoded body (RFC 6749 §3.2, RFC 7523 §2.2), or one `Authorization: Basic …` in the base64 of RFC 4648 §4.",
            ),
            Self::ClientUnmanageable => (
                "the client cannot be managed at the moment",
                "Ask the operator: the authorization server's token for this client was lost, and has to be made anew.",
            ),
            Self::ClientBusy => ("somebody else is at work on the same client", "Try again as Retry-After says."),
            Self::ThrottleUnavailable => (
                "how often registrations are tried cannot be counted at the moment",
                "Try again as Retry-After says; nothing was registered.",
            ),
            Self::StoreUnavailable => ("registration is not possible at the moment", "Try again as Retry-After says."),
            Self::RegistrationClosed => {
                ("the gateway is stopping", "Try again at once: another instance, or this one restarted, will answer.")
            }
            Self::ForwardingCrowded => (
                "too many requests are on their way to the server",
                "Try again as Retry-After says, and read answers to their end; the operator's limits are authorization_server.max_forwarded_requests and max_forwarded_requests_per_address.",
            ),
            Self::ForwardingLoop => (
                "what was sent to the server came back to the gateway",
                "Give the operator the request_id: `authorization_server.url` leads to the gateway itself.",
            ),
            Self::Internal => ("the gateway failed", "Give the operator the request_id."),
            Self::ServerUnreachable => (
                "the authorization server cannot be reached at the moment",
                "Try again as Retry-After says; nothing was registered.",
            ),
            Self::ServerUnavailable => (
                "the authorization server says that it is not available at the moment",
                "Try again as Retry-After says; whether what was asked for was done is not known.",
            ),
            Self::ServerTimedOut => (
                "the authorization server did not answer in time",
                "Try again later; whether a client was registered is not known.",
            ),
            Self::ServerBroken => (
                "the authorization server failed, or its answer could not be understood",
                "Give the operator the request_id; whether a client was registered is not known.",
            ),
            Self::ServerMisdirected => (
                "the authorization server does not take registrations where the gateway looks for them",
                "Give the operator the request_id: `authorization_server.registration_path` is likely wrong.",
            ),
            Self::ServerRefused => (
                "the authorization server refused the client metadata",
                "The gateway's rules were met, the server's own were not; the sentence is the server's where it gave one.",
            ),
            Self::ServerPolicyRefused => (
                "the authorization server's own policy refused the registration",
                "Give the operator the request_id: the server's registration policies are stricter than the profile.",
            ),
            Self::ServerTokenRefused => {
                ("the authorization server did not accept the token", "Ask the operator for a fresh token.")
            }
            Self::ServerCredentialRefused => (
                "the authorization server did not accept the gateway",
                "Give the operator the request_id: the gateway's `credential` is wrong or lacks a role.",
            ),
            Self::ServerRateLimited => (
                "the authorization server takes no more registrations at the moment",
                "Try again as Retry-After says; nothing was registered.",
            ),
        }
    }
}
