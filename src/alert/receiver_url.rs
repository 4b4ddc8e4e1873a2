//! The URL of a webhook or an Alertmanager as the operator writes it. It may be a secret, so what is shown of it never holds its path.

use serde::{Deserialize, Serialize};

use crate::fetch::Target;
use crate::secret::Secret;

/// A URL that may be a secret: it is shown without its path.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct ReceiverUrl(Secret);

impl From<String> for ReceiverUrl {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

impl ReceiverUrl {
    /// What is fetched; `suffix` stands behind the path.
    ///
    /// # Errors
    /// The end of a sentence that begins with the URL's place.
    pub fn target(&self, plain_http: PlainHttp, suffix: &str) -> Result<Target, String> {
        let text = format!(
            "{}{suffix}",
            if suffix.is_empty() { self.0.expose() } else { self.0.expose().trim_end_matches('/') }
        );
        match plain_http {
            PlainHttp::Refuse => Target::configured(&text),
            PlainHttp::Allow => Target::configured_in_clear(&text),
        }
    }

    pub(super) fn host(&self) -> Option<String> {
        let url = url::Url::parse(self.0.expose()).ok()?;
        url.host_str().map(str::to_owned)
    }
}

impl std::fmt::Display for ReceiverUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match url::Url::parse(self.0.expose()) {
            Ok(url) if matches!(url.path(), "" | "/") => f.write_str(&url.origin().ascii_serialization()),
            Ok(url) => write!(f, "{}/***", url.origin().ascii_serialization()),
            Err(_) => f.write_str("***"),
        }
    }
}

impl std::fmt::Debug for ReceiverUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReceiverUrl({self})")
    }
}

impl Serialize for ReceiverUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether plain http may be spoken to other machines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlainHttp {
    /// It may not.
    #[default]
    Refuse,
    /// It may.
    Allow,
}
