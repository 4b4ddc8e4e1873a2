//! Why a software statement is not accepted.

use crate::jose::{ClaimProblem, JoseError};
use crate::registrant::issuer_keys::KeysUnavailable;
use crate::registration::excerpt::Excerpt;

/// The longest `software_id`, in bytes; it names the software in the record and in the throttle.
pub(super) const LONGEST_SOFTWARE_ID: usize = 255;

/// Why a statement is not accepted. `Display` is a sentence for the client; nothing of the statement but its issuer stands in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementRefusal {
    /// The profile wants one, and there is none.
    #[error("a software statement is required")]
    Missing,
    /// RFC 7591 §3.1.1: a string value.
    #[error("software_statement: must be a string")]
    NotAString,
    /// Not a signed JWT of the issuer that it names.
    #[error("software_statement: {0}")]
    Invalid(#[from] JoseError),
    /// The issuer signed it, if at all, as something else: an entity statement, a trust mark, an access token.
    #[error("software_statement: its typ says that it is another kind of JWT")]
    OtherKind,
    /// Nothing can be said about it now; the cause is for the log.
    #[error("software_statement: it cannot be verified at the moment")]
    KeysUnavailable(#[from] KeysUnavailable),
    /// Not for us, or not now; or a claim is missing.
    #[error("software_statement: {0}")]
    Claims(#[from] ClaimProblem),
    /// It is for somebody, and nobody said that this is us.
    #[error("software_statement: it is meant for an audience, and none is configured here")]
    AudienceUnknown,
    /// `software_id` cannot be a name.
    #[error(
        "software_statement: its software_id is longer than {LONGEST_SOFTWARE_ID} bytes or holds control characters"
    )]
    SoftwareId,
    /// Issued by nobody who is trusted here.
    #[error("software_statement: issuer {} is not trusted here", Excerpt(.0))]
    IssuerUntrusted(String),
    /// The operator blocked the software, or the issuer took software or statement back.
    #[error("software_statement: this software may not register here")]
    Blocked,
    /// Bound to a client certificate, and none was presented.
    #[error("software_statement: it is bound to a client certificate, and none was presented")]
    CertificateMissing,
    /// The client certificate is not the one it is bound to.
    #[error("software_statement: its {} is not in the client certificate", Excerpt(.0))]
    CertificateOther(String),
}
