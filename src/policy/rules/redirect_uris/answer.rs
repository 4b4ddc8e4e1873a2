//! What a redirect URI may not hold because the answer brings it: parameters that only the authorization server adds; and a session that
//! whoever registers chose for whoever comes back.

use crate::parameter_name::as_read;
use crate::percent::percent_decoded;
use crate::registration::excerpt::Excerpt;

use super::onward::pairs;

/// Parameters of an authorization response (RFC 6749 §4.1.2, §4.2.2, OpenID Connect Core §3.3.2.5, Session Management §3, JARM §2.3.1,
/// RFC 9207 §2). One that is in the URI already stands there twice in the answer, the client's own value first (RFC 6749 §3.1 has each
/// once). Not `scope`, which a client may well keep for itself: what was granted is in the token response.
const RESPONSE: [&str; 12] = [
    "code",
    "state",
    "iss",
    "error",
    "error_description",
    "error_uri",
    "access_token",
    "id_token",
    "token_type",
    "expires_in",
    "session_state",
    "response",
];

/// Parameters by which Java's, PHP's and ASP.NET's servers take a session from a URL.
const SESSION: [&str; 3] = ["jsessionid", "phpsessid", "asp_net_sessionid"];

/// Which of these the path, in its parameters, or the query holds.
pub(super) fn problem(path: &str, query: Option<&str>) -> Option<String> {
    let path = percent_decoded(path.as_bytes());
    let path = String::from_utf8_lossy(&path);
    if let Some(session) = path.split('/').find(|segment| is_session(segment)) {
        return Some(format!("the path holds {}, a session that was chosen for whoever comes back", Excerpt(session)));
    }
    let in_path = path.split('/').flat_map(|segment| segment.split(';').skip(1)).map(|parameter| {
        let (name, _) = parameter.split_once('=').unwrap_or((parameter, ""));
        ("the path", name.to_owned())
    });
    let in_query = pairs(query.unwrap_or_default()).into_iter().map(|(name, _)| ("the query", name));
    in_path.chain(in_query).find_map(|(place, name)| {
        let read = as_read(&name);
        let shown = Excerpt(&name);
        if SESSION.contains(&read.as_str()) {
            return Some(format!("{place} holds {shown}, a session that was chosen for whoever comes back"));
        }
        let clause = if read == "iss" { "RFC 9207 §2" } else { "RFC 6749 §4.1.2" };
        RESPONSE
            .contains(&read.as_str())
            .then(|| format!("{place} holds {shown}, which the authorization server adds itself ({clause})"))
    })
}

/// Whether ASP.NET takes a session or a sign-in from this segment of a path: `(S(lit3py55t21z5v55vlm25s55))`, `(A(x)F(y))`.
fn is_session(segment: &str) -> bool {
    let Some(mut rest) = segment.strip_prefix('(').and_then(|rest| rest.strip_suffix("))")) else { return false };
    loop {
        let Some(inside) = rest.strip_prefix(|kind: char| kind.is_ascii_uppercase()) else { return false };
        let Some(inside) = inside.strip_prefix('(') else { return false };
        match inside.split_once(')') {
            Some((_, next)) => rest = next,
            None => return !inside.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_parameters_that_the_answer_adds() {
        for query in [
            "code=x",
            "a=1&state=x",
            "a=1;code=x",
            "%63ode=x",
            "error",
            "id_token=",
            "iss=https://sso.example.com",
            "error_uri=x",
            "session_state=x",
            "expires_in=60",
            "+code=x",
            "code%20=x",
            "%EF%BB%BFcode=x",
            "code%5B%5D=x",
            "code[]=x",
            "state[0]=x",
            "code+[a][b]=x",
            "CODE=x",
            "access.token=x",
            "id+token=x",
            "access%5btoken=x",
        ] {
            assert!(problem("/cb", Some(query)).is_some(), "{query}");
        }
        for query in [
            "codec=av1",
            "stateful=1",
            "issuer=x",
            "issue=1",
            "scope=a:b",
            "tenant=code",
            "barcode=1",
            "promo_code=1",
            "code_challenge=x",
            "codes[]=1",
            "[code]=1",
            "my+code=1",
        ] {
            assert_eq!(problem("/cb", Some(query)), None, "{query}");
        }
        assert!(problem("/cb", Some("iss=x")).unwrap().ends_with("(RFC 9207 §2)"));
    }

    #[test]
    fn a_parameter_of_the_path_is_one_as_well_and_so_is_a_session() {
        for (path, query) in [
            ("/cb;code=x", None),
            ("/a;State=1/cb", None),
            ("/cb;jsessionid=A1", None),
            ("/cb%3Bjsessionid=A1", None),
            ("/cb", Some("PHPSESSID=A1")),
            ("/(S(lit3py55t21z5v55vlm25s55))/cb", None),
            ("/app/(A(x)S(y)F(z))", None),
            ("/%28S%28x%29%29/cb", None),
        ] {
            assert!(problem(path, query).is_some(), "{path} {query:?}");
        }
        for path in [
            "/code/cb",
            "/cb;v=1",
            "/cb;codec=av1",
            "/code=x",
            "/state;v=code",
            "/~u/(x)",
            "/Orders(1)/cb",
            "/(s)",
            "/((x))",
            "/(S())",
        ] {
            assert_eq!(problem(path, None), None, "{path}");
        }
    }
}
