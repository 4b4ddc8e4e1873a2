//! Which web pages may call the registration endpoint and the metadata from a browser (the Fetch standard's CORS protocol).
//! Closed by default; credentials (cookies) are never allowed.

use http::Method;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue, ORIGIN, VARY,
};
use serde::{Deserialize, Serialize};

use super::handler::{Answer, Head};

/// What a page may send besides the headers that are always allowed.
const REQUEST_HEADERS: &str = "Authorization, Content-Type, MCP-Protocol-Version";

/// What a page may read besides the headers that are always shown.
const RESPONSE_HEADERS: &str = "WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id";

/// How long a browser may keep the answer to a preflight, in seconds.
const MAX_AGE: &str = "600";

/// The `cors` section.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CorsSettings {
    /// Origins as a browser writes them (`https://app.example.com`), or `"*"` for any. Default: none.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
}

impl CorsSettings {
    /// Adds what the page that asks may do; nothing when it may do nothing.
    pub(super) fn decorate(&self, head: &Head, methods: &'static str, mut answer: Answer) -> Answer {
        if self.allowed_origins.is_empty() {
            return answer;
        }
        // Caches must keep answers for different origins apart, also those without permission.
        answer.headers.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = head.headers.get(ORIGIN) else { return answer };
        let allowed = |allowed: &String| allowed == "*" || allowed.as_bytes() == origin.as_bytes();
        if !self.allowed_origins.iter().any(allowed) {
            return answer;
        }
        answer.headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if head.method == Method::OPTIONS {
            answer.headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
            answer.headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
            answer.headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        } else {
            answer.headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_HEADERS));
        }
        answer
    }
}
