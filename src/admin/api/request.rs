//! What handlers read from a request: whom it is about, its query, its body, the version it is for, which page; and how a version is shown.

use std::convert::Infallible;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Path, Request};
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::admin::problem::{Kind, Problem};
use crate::store::{Cursor, Page};

/// The most entries that a page of a list has.
pub const MOST_LISTED: u32 = 200;

/// The query of a request, each member once, none unknown.
pub(in crate::admin) struct Query<T>(pub(in crate::admin) Result<T, Problem>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(read(parts.uri.query().unwrap_or_default())))
    }
}

fn read<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let mut members = serde_json::Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if members.insert(name.clone().into_owned(), value.into_owned().into()).is_some() {
            return Err(Problem::new(Kind::RequestInvalid, format!("{name} stands twice in the query")));
        }
    }
    serde_json::from_value(members.into())
        .map_err(|error| Problem::new(Kind::RequestInvalid, format!("query: {error}")))
}

/// The one segment of the path that is not given: an id.
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|error| Problem::new(Kind::RequestInvalid, error.body_text()))
    }
}

/// The JSON object in the body of a request. An array is none, though serde would take its elements for members.
/// As an `Option` it is what the body has, when it has anything, whatever its media type.
pub(in crate::admin) struct JsonObject<T>(pub(in crate::admin) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonObject<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Json(text) = <Json<Box<RawValue>> as FromRequest<S>>::from_request(request, state).await?;
        let invalid = |detail: String| Problem::new(Kind::RequestInvalid, detail);
        if !text.get().starts_with('{') {
            return Err(invalid("the body is no JSON object".to_owned()));
        }
        serde_json::from_str(text.get()).map(Self).map_err(|error| invalid(format!("the body: {error}")))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequest<S> for JsonObject<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        let (parts, body) = request.into_parts();
        let of_body = Request::from_parts(parts.clone(), body);
        let body = Bytes::from_request(of_body, state).await?;
        if body.is_empty() {
            return Ok(None);
        }
        let request = Request::from_parts(parts, body.into());
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

/// How many entries of a list.
#[derive(Debug, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String")]
pub(super) struct Limit(#[schemars(range(min = 1, max = MOST_LISTED))] u32);

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (1..=MOST_LISTED).contains(number));
        number.map(Self).ok_or_else(|| format!("limit: {text:?} is no number from 1 to {MOST_LISTED}"))
    }
}

/// Where a page begins.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String")]
pub(super) struct After(#[schemars(with = "String")] pub(super) Cursor);

impl TryFrom<String> for After {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

/// One entry more than is shown: it tells whether there are more.
pub(super) fn page(limit: Option<Limit>, cursor: Option<After>) -> (usize, Page) {
    let Limit(limit) = limit.unwrap_or_default();
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    (shown, Page { after: cursor.map(|After(cursor)| cursor), limit: limit + 1 })
}

/// Cuts what is not shown, and returns the cursor of the next page.
pub(super) fn cut<T>(entries: &mut Vec<T>, shown: usize, place: impl Fn(&T) -> Cursor) -> Option<String> {
    let has_more = entries.len() > shown;
    entries.truncate(shown);
    entries.last().filter(|_| has_more).map(|last| place(last).to_string())
}

/// The versions that a condition names (RFC 9110 §13.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Versions {
    /// Whatever it is (`*`).
    Any,
    /// One of these; no version has a tag that is not a number.
    Of(Vec<Tag>),
}

/// An entity tag that may be a version's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) version: Option<i64>,
    is_weak: bool,
}

impl Versions {
    /// The versions that a change may be made to (§13.1.1); a weak tag names none.
    ///
    /// # Errors
    /// There is no `If-Match`, or none that could be read.
    pub(super) fn to_change(headers: &HeaderMap) -> Result<Self, Problem> {
        let missing = || Problem::new(Kind::VersionMissing, "send If-Match with the ETag of what you looked at, or *");
        let unreadable = || Problem::new(Kind::RequestInvalid, "If-Match: write ETags as they came, or *");
        if !headers.contains_key(IF_MATCH) {
            return Err(missing());
        }
        Ok(match Self::read(headers, &IF_MATCH).ok_or_else(unreadable)? {
            Self::Of(tags) => Self::Of(tags.into_iter().filter(|tag| !tag.is_weak).collect()),
            Self::Any => Self::Any,
        })
    }

    /// Whether the reader has this version already (§13.1.2). A condition that cannot be read is none.
    pub(super) fn has_already(headers: &HeaderMap, version: i64) -> bool {
        match Self::read(headers, &IF_NONE_MATCH) {
            Some(Self::Any) => true,
            Some(Self::Of(tags)) => tags.iter().any(|tag| tag.version == Some(version)),
            None => false,
        }
    }

    /// `*`, or a list of entity tags; nothing where it is neither.
    fn read(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let lines: Result<Vec<_>, _> = headers.get_all(name).iter().map(HeaderValue::to_str).collect();
        let text = lines.ok()?.join(",");
        let mut rest = text.trim();
        if rest == "*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                return (!tags.is_empty()).then_some(Self::Of(tags));
            }
            let (is_weak, opaque) = rest.strip_prefix("W/").map_or((false, rest), |opaque| (true, opaque));
            let (tag, behind) = opaque.strip_prefix('"')?.split_once('"')?;
            rest = behind.trim_start();
            if !rest.is_empty() && !rest.starts_with(',') {
                return None;
            }
            tags.push(Tag { version: tag.parse().ok(), is_weak });
        }
    }
}

/// Something with its version as `ETag`.
pub(super) fn versioned(version: i64, shown: &impl Serialize) -> Response {
    let mut response = Json(shown).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The longest comment, in characters.
const LONGEST_TEXT: usize = 500;

/// A text of an operator's that others will read: not too long, and printable.
pub(super) fn check_text(name: &str, text: Option<&str>) -> Result<(), Problem> {
    let is_good = |text: &str| text.chars().count() <= LONGEST_TEXT && !text.chars().any(char::is_control);
    if text.is_none_or(is_good) {
        return Ok(());
    }
    let detail = format!("{name}: at most {LONGEST_TEXT} characters, and no control characters");
    Err(Problem::new(Kind::RequestInvalid, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        limit: Option<Limit>,
        cursor: Option<After>,
    }

    fn asked(query: &str) -> Result<Asked, u16> {
        read(query).map_err(|problem| problem.kind.status().as_u16())
    }

    #[test]
    fn a_query_is_read_whole_or_refused() {
        let Asked { limit, cursor } = asked("limit=3&cursor=7.a%2Eb").unwrap();
        let (shown, page) = page(limit, cursor);
        assert_eq!((shown, page.limit, page.after.unwrap().id.as_str()), (3, 4, "a.b"));
        for bad in ["limit=0", "limit=201", "limit=x", "limit=1&limit=2", "cursor=x", "colour=red"] {
            assert_eq!(asked(bad).unwrap_err(), 400, "{bad}");
        }
    }

    #[test]
    fn a_change_names_versions_or_any() {
        let named = |lines: &[&str]| {
            let headers = lines.iter().map(|line| (IF_MATCH, HeaderValue::from_str(line).unwrap())).collect();
            match Versions::to_change(&headers) {
                Ok(Versions::Any) => Ok(None),
                Ok(Versions::Of(tags)) => Ok(Some(tags.into_iter().map(|tag| tag.version).collect::<Vec<_>>())),
                Err(problem) => Err(problem.kind.status().as_u16()),
            }
        };
        assert_eq!(named(&["*"]), Ok(None));
        for (lines, versions) in [
            (&["\"7\""][..], vec![Some(7)]),
            (&["\"7\", W/\"9\" ,, \"8\""], vec![Some(7), Some(8)]),
            (&["\"7\"", "\"x,y\""], vec![Some(7), None]),
            (&["W/\"7\""], vec![]),
        ] {
            assert_eq!(named(lines), Ok(Some(versions)), "{lines:?}");
        }
        assert_eq!(named(&[]), Err(428));
        for bad in [&["7"][..], &[""], &["\"7"], &["*, \"7\""], &["\"7\"\"8\""], &["w/\"7\""]] {
            assert_eq!(named(bad), Err(400), "{bad:?}");
        }
    }

    #[test]
    fn a_reader_has_a_version_already_whichever_way_its_tag_is_written() {
        let has = |line: &str| {
            let headers = [(IF_NONE_MATCH, HeaderValue::from_str(line).unwrap())].into_iter().collect();
            Versions::has_already(&headers, 7)
        };
        for line in ["\"7\"", "W/\"7\"", "\"1\", \"7\"", "*"] {
            assert!(has(line), "{line}");
        }
        for line in ["\"8\"", "7", "", "\"x\""] {
            assert!(!has(line), "{line}");
        }
        assert!(!Versions::has_already(&HeaderMap::new(), 7));
    }
}
