//! Which web pages may call the registration endpoint and the metadata from a browser (the Fetch standard's CORS protocol).
//! Closed by default; credentials (cookies) are never allowed.

use http::Method;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderName, HeaderValue, ORIGIN, VARY,
};
use serde::{Deserialize, Serialize};

use super::handler::{Answer, Head};
use crate::setting_problem::SettingProblem;

/// What a page may send in any case, besides the headers that are always allowed.
const REQUEST_HEADERS: [&str; 3] = ["Authorization", "Content-Type", "MCP-Protocol-Version"];

/// What it may send besides where nothing is written: the caller's trace (W3C Trace Context).
const TRACE: [&str; 2] = ["traceparent", "tracestate"];

/// What a page may read besides the headers that are always shown.
const RESPONSE_HEADERS: &str = "WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id";

/// How long a browser may keep the answer to a preflight, in seconds.
const MAX_AGE: &str = "600";

/// The `cors` section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CorsSettings {
    /// Origins as a browser writes them (`https://app.example.com`), or `"*"` for any. Default: none.
    pub allowed_origins: Vec<String>,
    /// Header fields that pages may send besides `Authorization`, `Content-Type` and `MCP-Protocol-Version`, as `X-API-Key`: SDKs of MCP send what
    /// is set for the MCP server here, too. Default: `traceparent`, `tracestate`.
    pub allowed_headers: Vec<String>,
}

impl Default for CorsSettings {
    fn default() -> Self {
        Self { allowed_origins: Vec::new(), allowed_headers: TRACE.map(str::to_owned).into() }
    }
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
        let hint = "write the name of a header, like X-API-Key; `*` names none, each is listed";
        let is_name = |name: &str| !name.contains('*') && HeaderName::from_bytes(name.as_bytes()).is_ok();
        let unnamed = self.allowed_headers.iter().enumerate().filter(|(_, name)| !is_name(name));
        let unnamed = unnamed
            .map(|(at, _)| SettingProblem::new(format!("allowed_headers[{at}]"), "is not the name of a header", hint));
        wrong.map(problem).chain(unnamed).collect()
    }

    /// Each once, however it is written.
    fn request_headers(&self) -> Option<HeaderValue> {
        let mut names = REQUEST_HEADERS.to_vec();
        for name in &self.allowed_headers {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name);
            }
        }
        HeaderValue::try_from(names.join(", ")).ok()
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
            if let Some(names) = self.request_headers() {
                answer.headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
            }
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
    fn pages_may_send_what_is_listed_besides_the_fixed_headers_and_each_is_named_once() {
        let allowed = |yaml: &str| serde_yaml::from_str::<CorsSettings>(yaml).unwrap().request_headers().unwrap();
        let fixed = "Authorization, Content-Type, MCP-Protocol-Version";
        assert_eq!(allowed("{}"), format!("{fixed}, traceparent, tracestate"));
        assert_eq!(allowed("{ allowed_headers: [] }"), fixed);
        assert_eq!(
            allowed("{ allowed_headers: [X-API-Key, content-type, x-api-key, baggage] }"),
            format!("{fixed}, X-API-Key, baggage")
        );
    }

    #[test]
    fn a_header_that_pages_may_send_is_named() {
        let names = ["X-API-Key", "*", "x-*", "", "a b", "X: 1", "a\r\nb", "Schlüssel"];
        let settings = CorsSettings { allowed_headers: names.map(str::to_owned).into(), ..Default::default() };
        let places: Vec<_> = settings.problems().into_iter().map(|problem| problem.place).collect();
        assert_eq!(places, (1..8).map(|at| format!("allowed_headers[{at}]")).collect::<Vec<_>>());
    }

    #[test]
    fn a_wildcard_in_an_origin_is_said_to_match_nobody() {
        let allowed_origins = ["*", "https://*.example.com"].map(str::to_owned).into();
        let settings = CorsSettings { allowed_origins, ..Default::default() };
        let problems = settings.problems();
        assert_eq!(problems.iter().map(|problem| &*problem.place).collect::<Vec<_>>(), ["allowed_origins[1]"]);
        assert!(problems[0].reason.contains("matches nobody"), "{problems:?}");
    }
}
