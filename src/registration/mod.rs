//! What a registration says: the members of RFC 7591 and OpenID Connect Registration 1.0, parsed once into types.
//! Pure: no policy, no IO, no clock. Says what is malformed, never whether something is allowed.

pub mod error_code;
pub mod excerpt;
pub mod grant;
pub mod host;
pub mod json;
pub mod key;
mod key_certificates;
mod key_strength;
pub mod key_use;
pub mod members;
pub mod metadata;
mod reading;
pub mod redirect_uri;
pub mod scope;
pub mod software_statement;
pub mod strict_uri;
pub(crate) mod unseen;
pub mod web_url;

pub use error_code::ErrorCode;
pub use metadata::ClientMetadata;
pub use redirect_uri::RedirectUri;
pub use scope::{Scope, ScopeSet};
pub use software_statement::SoftwareStatement;
