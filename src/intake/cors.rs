//! Which web pages may call the registration endpoint and the metadata from a browser (the Fetch standard's CORS protocol).
//! Closed by default; credentials (cookies) are never allowed.

use http::Method;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue, ORIGIN, VARY,
};
use serde::{Deserialize, Serialize};

use super::handler::{Answer, Head};
use crate::setting_problem::SettingProblem;

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

/// Of http and https as the Fetch standard serializes it; schemes of extensions are the browsers' own.
fn is_origin(text: &str) -> bool {
    match (text, url::Url::parse(text)) {
        ("*", _) => true,
        (text, _) if text.contains('*') => false,
        (text, Ok(url)) if matches!(url.scheme(), "http" | "https") => url.origin().ascii_serialization() == text,
        (text, Ok(url)) => url.has_host() && text.matches('/').count() == 2,
        (_, Err(_)) => false,
    }
}

impl CorsSettings {
    /// Everything that is wrong with it: what no browser ever writes would allow nobody.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let wrong = self.allowed_origins.iter().enumerate().filter(|(_, origin)| !is_origin(origin));
        let problem = |(at, origin): (usize, &String)| {
            let (problem, hint) = if origin.contains('*') {
                (
                    "matches nobody: a `*` beside other text stands for nothing here",
                    "name each origin; or write \"*\" alone, for any",
                )
            } else {
                let hint = "write scheme, host and port as a browser does, like https://app.example.com; or \"*\"";
                ("is not an origin", hint)
            };
            SettingProblem::new(format!("allowed_origins[{at}]"), problem, hint)
        };
        wrong.map(problem).collect()
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_writes() {
        for origin in ["*", "https://app.example.com", "http://localhost:3000", "moz-extension://0a1b"] {
            assert!(is_origin(origin), "{origin}");
        }
        for other in [
            "app.example.com",
            "https://app.example.com/",
            "https://App.example.com",
            "https://a.example:443",
            "https://*.example.com",
            "https://app.example.com:*",
            "moz-extension://*",
            "null",
            "",
        ] {
            assert!(!is_origin(other), "{other}");
        }
    }

    #[test]
    fn a_wildcard_in_an_origin_is_said_to_match_nobody() {
        let settings = CorsSettings { allowed_origins: ["*", "https://*.example.com"].map(str::to_owned).into() };
        let problems = settings.problems();
        assert_eq!(problems.iter().map(|problem| &*problem.place).collect::<Vec<_>>(), ["allowed_origins[1]"]);
        assert!(problems[0].reason.contains("matches nobody"), "{problems:?}");
    }
}
