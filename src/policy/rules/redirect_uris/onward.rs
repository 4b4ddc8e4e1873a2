//! What stands in a redirect URI itself and leads the answer on: a URL of another host in its query or path, which the page behind it
//! may send the browser to (an open redirector, RFC 9700 §4.11.1), an app's in a parameter that is there to lead on, and parameters that only
//! the authorization server adds.

use url::Url;
use url::form_urlencoded;

use crate::hexadecimal::{DECODINGS, percent_decoded};
use crate::registration::excerpt::Excerpt;
use crate::registration::host::Host;
use crate::registration::redirect_uri::is_forbidden_scheme;
use crate::registration::strict_uri::LONGEST_URI;

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

/// Schemes that run what follows them, or start an app with it.
const RUNNING: [&str; 4] = ["javascript", "vbscript", "livescript", "intent"];

/// Parameters whose names begin with these say where to go next, written without `_`, `-` and `.`: `returnTo`, `redirect_uri`.
const LEADING: [&str; 12] = [
    "next",
    "return",
    "redirect",
    "continue",
    "callback",
    "goto",
    "forward",
    "destination",
    "deeplink",
    "applink",
    "relaystate",
    "followup",
];

/// Those that say so with these names alone, or with `url`, `uri` or `link` behind them. Not `resource` and `audience`, which name an API
/// (`api://1234`).
const LEADING_ALONE: [&str; 22] = [
    "", "u", "r", "to", "go", "href", "app", "cb", "back", "dest", "target", "success", "failure", "error", "cancel",
    "done", "final", "exit", "out", "open", "launch", "home",
];

/// How many bytes of text within text are read in one URI. An ordinary one has a fifth of that; whoever nests more hides something.
const MOST_READ: usize = 8 * LONGEST_URI;

/// Which parameter of the answer the query holds already.
pub(super) fn response_parameter(query: &str) -> Option<String> {
    let (name, _) = pairs(query).into_iter().find(|(name, _)| RESPONSE.contains(&as_read(name)))?;
    let clause = if as_read(&name) == "iss" { "RFC 9207 §2" } else { "RFC 6749 §4.1.2" };
    Some(format!("the query holds {}, which the authorization server adds itself ({clause})", Excerpt(&name)))
}

/// The name as frameworks read it: `code[]` and `code[0]` are entries of `code`, and spaces around it do not count. Upper case does (RFC 6749 §1.9).
fn as_read(name: &str) -> &str {
    name.split('[').next().unwrap_or_default().trim_matches(is_nothing)
}

/// What nobody sees at the ends of a text, and `trim` of some language takes off.
fn is_nothing(character: char) -> bool {
    character.is_whitespace() || character.is_control() || character == '\u{feff}'
}

/// Where a URL in a redirect URI leads, which may be the client's own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Destination<'a> {
    /// A page of this host.
    Host(&'a Host),
    /// The app that has this scheme, in lower case.
    App(&'a str),
}

/// What a URI of this path and query would lead on to; a destination that `is_known` is the client's own.
pub(super) fn onward(path: &str, query: Option<&str>, is_known: impl Fn(Destination<'_>) -> bool) -> Option<String> {
    if path_leads_on(path) {
        return Some(format!("path {} holds another URL", Excerpt(path)));
    }
    let mut search = Search { is_known, left: MOST_READ };
    Some(match search.in_query(query?)? {
        Onward::Host(host) => {
            let host = host.to_string();
            format!(
                "the query holds a URL of host {}, which the profile does not name (RFC 9700 §4.11.1)",
                Excerpt(&host)
            )
        }
        Onward::App(scheme) => {
            format!(
                "the query leads on to an app by the scheme {}, which the profile does not name (RFC 9700 §4.11.1)",
                Excerpt(&scheme)
            )
        }
        Onward::Running => "the query holds a URL that runs code, opens a file or starts another program".to_owned(),
        Onward::Path => "the query holds a URL whose path holds another URL".to_owned(),
        Onward::Tangled => "the query holds more URLs within URLs than anybody reads".to_owned(),
    })
}

/// Where a text leads.
#[derive(Debug, PartialEq, Eq)]
enum Onward {
    Host(Host),
    App(String),
    Running,
    Path,
    Tangled,
}

/// The search through a query, and through the queries of the URLs in it.
struct Search<K> {
    is_known: K,
    /// How many bytes may still be read.
    left: usize,
}

impl<K: Fn(Destination<'_>) -> bool> Search<K> {
    /// Values first; without `=` the text is a name.
    fn in_query(&mut self, query: &str) -> Option<Onward> {
        pairs(query).into_iter().find_map(|(name, value)| {
            let (leads, is_alone) = (is_leading(&name), value.is_empty());
            self.in_text(value, leads).or_else(|| self.in_text(name, is_alone))
        })
    }

    /// Decoded again and again, because pages do. A text that `leads` says where to go next, be it to an app.
    fn in_text(&mut self, mut text: String, leads: bool) -> Option<Onward> {
        for _ in 0..DECODINGS {
            // Neither a URL nor a path, and never one when it is decoded.
            if !text.contains([':', '/', '\\', '%']) {
                return None;
            }
            let Some(left) = self.left.checked_sub(text.len()) else { return Some(Onward::Tangled) };
            self.left = left;
            let cleaned = as_a_browser_cleans(&text);
            let found = self
                .as_written(&cleaned, leads)
                .or_else(|| self.in_form(&cleaned))
                .or_else(|| self.in_json(&text, leads))
                .or_else(|| self.in_parts(&cleaned));
            if found.is_some() {
                return found;
            }
            let decoded = decode(&text);
            if decoded == text {
                return None;
            }
            text = decoded;
        }
        None
    }

    /// In the pairs of a form within a value, each as it would be in the query itself. A name with a space in it is a sentence's.
    fn in_form(&mut self, text: &str) -> Option<Onward> {
        if !text.contains(['=', '&']) {
            return None;
        }
        let pairs = pairs(text).into_iter().filter(|(name, _)| !name.contains(is_nothing) && name != text);
        pairs.into_iter().find_map(|(name, value)| {
            let leads = is_leading(&name);
            self.in_text(value, leads).or_else(|| self.in_name(name))
        })
    }

    /// In the texts of JSON, each as it would be in the query itself under its name, or, in a list, under the list's.
    fn in_json(&mut self, text: &str, leads: bool) -> Option<Onward> {
        if !text.trim_start_matches(is_nothing).starts_with(['{', '[']) {
            return None;
        }
        let mut named = leads;
        literals(text).into_iter().find_map(|(literal, is_name)| {
            if is_name {
                named = is_leading(&literal);
                return self.in_name(literal);
            }
            self.in_text(literal, named)
        })
    }

    /// In a name within a value, which says nothing of where to go next.
    fn in_name(&mut self, name: String) -> Option<Onward> {
        let leads = false;
        self.in_text(name, leads)
    }

    /// In what a page takes apart before it opens one of the parts. A URL behind a space stands in a sentence.
    fn in_parts(&mut self, text: &str) -> Option<Onward> {
        let mut parts = text.split(PARTING).skip(1).filter(|part| !part.starts_with(is_nothing));
        // Which part says where to go next, nobody knows.
        let leads = false;
        parts.find_map(|part| self.as_written(part, leads))
    }

    fn as_written(&mut self, text: &str, leads: bool) -> Option<Onward> {
        let path = match read(text) {
            Meaning::Web(url) => match url.host_str().and_then(Host::parse) {
                Some(host) if !(self.is_known)(Destination::Host(&host)) => return Some(Onward::Host(host)),
                _ => url.path().to_owned(),
            },
            Meaning::App(scheme) if !(self.is_known)(Destination::App(&scheme)) => {
                return leads.then_some(Onward::App(scheme));
            }
            Meaning::App(_) => String::new(),
            Meaning::Running => return Some(Onward::Running),
            Meaning::Other => return None,
            Meaning::Relative => {
                text.split(['?', '#']).next().filter(|path| path.starts_with('/')).unwrap_or_default().to_owned()
            }
        };
        if path_leads_on(&path) {
            return Some(Onward::Path);
        }
        // The page there is the client's own and may do the same with its own query, or with what it keeps in a fragment.
        text.split_once(['?', '#']).and_then(|(_, query)| self.in_query(query))
    }
}

/// What parts the entries of a list, JSON's texts, and the pairs of a form within a form.
const PARTING: [char; 5] = [',', '"', '\'', '&', '='];

/// The texts of JSON in their order, and whether each is a name: a colon follows it. Of either quotes, as lenient readers have it.
fn literals(json: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut rest = json;
    while let Some(begin) = rest.find(['"', '\'']) {
        let (quote, inside) = (&rest[begin..=begin], &rest[begin + 1..]);
        let mut is_escaped = false;
        let end = inside.find(|character: char| {
            let ends = !is_escaped && quote.starts_with(character);
            is_escaped = !is_escaped && character == '\\';
            ends
        });
        let Some(end) = end else { break };
        rest = &inside[end + 1..];
        let is_name = rest.trim_start_matches(is_nothing).starts_with(':');
        found.push((unescaped(&inside[..end]), is_name));
    }
    found
}

/// The text that JSON writes so (RFC 8259 §7). What is no escape stands for itself.
fn unescaped(literal: &str) -> String {
    serde_json::from_str(&format!("\"{literal}\"")).unwrap_or_else(|_| literal.to_owned())
}

/// Whether a part of the path is a URL to a page that takes it for one. `https:/host` and `https:host` are what `https://host` is to a
/// browser, and many servers make one slash of two. Parts are those between slashes and those of path parameters: `/cb;next=…`.
fn path_leads_on(path: &str) -> bool {
    let path = String::from_utf8_lossy(&percent_decoded(path.as_bytes())).into_owned();
    let path = as_a_browser_cleans(&path);
    let mut parts = path.match_indices(['/', ';', '=']).map(|(at, before)| (before, &path[at + 1..]));
    // What an app has behind its scheme may be one as a whole.
    let is_one = !path.starts_with('/') && leads_on(&path);
    // Two slashes in a row are an empty segment, but begin a URL where a value begins.
    is_one
        || path.strip_prefix("//").is_some_and(begins_with_a_host)
        || path.contains("://")
        || parts.any(|(before, part)| (before != "/" || !part.starts_with('/')) && leads_on(part))
}

/// Whether what follows two slashes is a public host (`evil.com/cb`, not `cb.html`): a server that mends its paths answers `Location: //evil.com/cb/`,
/// with the answer in its query.
fn begins_with_a_host(text: &str) -> bool {
    let host = text.trim_start_matches('/').split(['/', '?', '#', ':']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    host.contains('.')
        && psl::suffix(host.as_bytes()).is_some_and(|suffix| suffix.is_known() && suffix.as_bytes() != host.as_bytes())
}

/// Whether a text is a URL of any host, or runs.
fn leads_on(text: &str) -> bool {
    matches!(read(text), Meaning::Web(_) | Meaning::Running)
}

/// The pairs of the query, those as well that it has to whom a semicolon ends one, too (HTML 4.01 appendix B.2.2).
fn pairs(query: &str) -> Vec<(String, String)> {
    let other = if query.contains(';') { query.replace(';', "&") } else { String::new() };
    let both = [query, &other].map(|query| form_urlencoded::parse(query.as_bytes()).into_owned());
    both.into_iter().flatten().collect()
}

/// Whether a parameter of this name is there to say where to go next.
fn is_leading(name: &str) -> bool {
    let name: String = name.chars().filter(|c| !"_-.".contains(*c)).collect::<String>().to_ascii_lowercase();
    let bare = ["url", "uri", "link"].into_iter().find_map(|end| name.strip_suffix(end));
    LEADING.iter().any(|begin| name.starts_with(begin)) || LEADING_ALONE.contains(&bare.unwrap_or(&name))
}

/// What a text is to a page that takes it for a URL.
enum Meaning {
    /// Of a host.
    Web(Url),
    /// Runs code, opens a file, starts another program.
    Running,
    /// May be handed to the app of this scheme: `myapp://…`, `com.example.app:/…`. Or names something: `api://…`.
    App(String),
    /// What leads nowhere: `urn:…`, `mailto:…`, `12:30`.
    Other,
    /// A reference, or any other text.
    Relative,
}

fn read(text: &str) -> Meaning {
    let url = if text.starts_with("//") { Url::parse(&format!("https:{text}")) } else { Url::parse(text) };
    let url = match url {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) => return Meaning::Relative,
        Err(_) => return Meaning::Other,
    };
    let (scheme, rest) = (url.scheme(), text.split_once(':').map_or("", |(_, rest)| rest));
    match scheme {
        "http" | "https" | "ws" | "wss" | "ftp" => Meaning::Web(url),
        _ if RUNNING.contains(&scheme) => Meaning::Running,
        // RFC 2397 has a media type, or nothing, before a comma; `data:read` is the name of a scope, `data:read,data:write` those of two.
        "data" if rest.starts_with(',') || rest.contains([';', '/']) => Meaning::Running,
        // `file:/etc/passwd`, `ldap://host`, `blob:https://host/`; `tel:+1`, `news:today` and `mailto:` lead nowhere.
        _ if is_forbidden_scheme(scheme) && (rest.starts_with('/') || leads_on(rest)) => Meaning::Running,
        // `c:/dir` is a file's.
        _ if rest.starts_with('/') && scheme.len() > 1 => Meaning::App(scheme.to_owned()),
        _ => Meaning::Other,
    }
}

/// As a browser reads a URL: white space at the ends cut off, tabs and line ends taken out, backslashes as slashes.
fn as_a_browser_cleans(text: &str) -> String {
    let text = text.trim_matches(is_nothing);
    text.replace(['\t', '\n', '\r'], "").replace('\\', "/")
}

fn decode(text: &str) -> String {
    let single = text.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(single.as_bytes()).map(|(decoded, _)| decoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads_on(rest: &str) -> bool {
        let known = |destination: Destination<'_>| match destination {
            Destination::Host(host) => ["app.example.com", "known.example.com"].contains(&host.to_string().as_str()),
            Destination::App(scheme) => ["myapp", "com.example.app"].contains(&scheme),
        };
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        onward(&format!("/cb{path}"), query, known).is_some()
    }

    #[test]
    fn a_path_that_begins_with_two_slashes_and_a_host_is_one_by_itself_to_a_browser() {
        for path in
            ["//evil.com", "//evil.com/cb", "//a@evil.com/", "//evil.co.uk:443/x", "///evil.com", "/%2Fevil.com/cb"]
        {
            assert!(path_leads_on(path), "{path}");
        }
        for path in ["//cb", "//callback.html", "//v1.0/cb", "/a//evil.com", "//oauth2/callback", "/com", "//com"] {
            assert!(!path_leads_on(path), "{path}");
        }
    }

    #[test]
    fn refuses_a_url_of_another_host() {
        for rest in [
            "?next=https://evil.example/",
            "?next=https%3A%2F%2Fevil.example",
            "?next=https%253A%252F%252Fevil.example",
            "?next=https%25253A%25252F%25252Fevil.example",
            "?a=1&next=//evil.example",
            "?next=%5c%5cevil.example",
            "?next=/%5cevil.example",
            "?next=/%2509/evil.example",
            "?next=%250a//evil.example",
            "?next=+https:evil.example",
            "?next=HTTP://evil.example",
            "?https://evil.example",
            "?https://evil.example=https://app.example.com/",
            "?https://evil.example=1",
            "?next=https://app.example.com@evil.example/",
            "?next=https://app.example.com;@evil.example/",
            "?next=https%3A%2F%2Fapp.example.com%26@evil.example",
            "/https://evil.example",
            "/https%3A//evil.example",
            "/https:/evil.example",
            "/%68ttps%3a/evil.example",
            "/go/https:evil.example",
            "/url=https:/evil.example",
            ";url=//evil.example",
            ";a=1;url=//evil.example",
            "?a=1;next=https://evil.example",
            "?next=1;//evil.example",
            "?u=x%26v%3Dhttps://evil.example",
            "?u=x%26v%3Dhttps%253A//evil.example",
            "?u=x,https://evil.example",
            "?u=https://app.example.com/,https://evil.example",
            "?u=%7B%22n%22%3A%22https://evil.example%22%7D",
            "?u=%7B'n':'https:%5C/%5C/evil.example'%7D",
            "?u=%EF%BB%BFhttps://evil.example",
            "?next=https://app.example.com/?u=a%253Dhttps://evil.example",
        ] {
            assert!(leads_on(rest), "{rest}");
        }
    }

    #[test]
    fn refuses_a_url_of_another_host_within_one_of_the_clients_own() {
        for rest in [
            "?next=https://app.example.com/?u=https://evil.example",
            "?next=https%3A%2F%2Fapp.example.com%2F%3Fa%3D1%26u%3Dhttps%253A%252F%252Fevil.example",
            "?next=https://app.example.com/?u=https://known.example.com/?v=https://evil.example",
            "?next=https://app.example.com/?u=https://app.example.com%2526%2540evil.example",
            "?next=https://app.example.com/%23/go?u=https://evil.example",
            "?next=https://app.example.com/go;url=//evil.example",
            "?next=https://app.example.com/go/https:/evil.example",
            "?next=/go?u=https://evil.example",
            "?next=/go%3Fu=//evil.example",
            "?next=?u=javascript:alert(1)",
        ] {
            assert!(leads_on(rest), "{rest}");
        }
        assert!(leads_on(&format!("?{}", "a=/?".repeat(500))), "too tangled to be read");
    }

    #[test]
    fn refuses_to_lead_on_to_an_app_that_nobody_named() {
        for rest in [
            "?next=cursor://x",
            "?return_to=evilapp://cb",
            "?returnTo=evilapp%3A%2F%2Fcb",
            "?redirect_uri=com.evil.app:/oauth",
            "?redirect-url=COM.EVIL.APP:/oauth",
            "?a=1;url=evilapp://cb",
            "?u=%25%36%35vilapp://cb",
            "?deepLink=evilapp:///cb",
            "?success_url=evilapp://cb",
            "?evilapp://cb",
            "?next=/go?to=evilapp://cb",
            "?next=https://app.example.com/go?url=evilapp://cb",
            "?next=myapp://cb?url=evilapp://cb",
            "?next=myapp://cb?url=https://evil.example",
        ] {
            assert!(leads_on(rest), "{rest}");
        }
        for rest in [
            "?next=myapp://home",
            "?return_to=com.example.app:/oauth/done",
            "?next=https://app.example.com/go?url=myapp://cb",
            "?resource=api://1234",
            "?audience=api://1234",
            "?app_id_uri=api://1234/read",
            "?client=spiffe://example.org/billing",
            "?bucket=s3://reports/2026",
            "?repository=git+ssh://git.example.com/x",
            "?extension=chrome-extension://abcdef/x",
            "?state_hint=a:b",
            "?tenant=urn:foo",
            "?next=step:2",
            "?to=page:home",
            "?next=12:30",
            "?return=mailto:a@b.example",
            "?url=C:/dir/file.txt",
            "?flag",
            "?v:1",
        ] {
            assert!(!leads_on(rest), "{rest}");
        }
    }

    #[test]
    fn within_a_value_a_text_leads_where_it_would_lead_as_a_parameter() {
        for rest in [
            "?data=%7B%22next%22%3A%22//evil.example%22%7D",
            "?data=%7B%22next%22%3A%22%2F%2Fevil.example%22%7D",
            "?data=%7B%22next%22%20:%20%22%5C/%5C/evil.example%22%7D",
            "?data=%7B%22next%22%3A%22%5Cu002f%5Cu002fevil.example%22%7D",
            "?data=%7B%22next%22%3A%22%252F%252Fevil.example%22%7D",
            "?data=%257B%2522next%2522%253A%2522//evil.example%2522%257D",
            "?data=%7B'next':'//evil.example'%7D",
            "?data=%7Bnext:%22//evil.example%22%7D",
            "?data=%7B%22a%22:%7B%22next%22:%22/home%22,%22b%22:[1,%22//evil.example%22]%7D%7D",
            "?data=%7B%22next%22:%22javascript:alert(1)%22%7D",
            "?data=%7B%22next%22:%22%20javascript:alert(1)%22%7D",
            "?data=%7B%22redirect_uri%22:%22evilapp://x%22%7D",
            "?data=%7B%22redirect_uri%22:%22evilapp:%5C/%5C/x%22%7D",
            "?data=%7B%22redirect_uris%22:[%22myapp://a%22,%22evilapp://x%22]%7D",
            "?next=[%22evilapp://x%22]",
            "?list=[%22//evil.example%22]",
            "?list=['//evil.example']",
            "?data=%7B%22next%22:%22/go?u=//evil.example%22%7D",
            "?data=%7B%22next%22:%22/go%3Fu=%7B%5C%22a%5C%22:%5C%22//evil.example%5C%22%7D%22%7D",
            "?data=%7B%22form%22:%22a=1%26next=//evil.example%22%7D",
            "?list=a,//evil.example",
            "?list=a,javascript:alert(1)",
            "?a=1%26next%3D//evil.example",
            "?a=1%26next%3Djavascript:alert(1)",
            "?a=1%26redirect_uri%3Devilapp://x",
            "?a=1%26//evil.example",
            "?r=next%3D%2F%2Fevil.example",
            "?r=next%3D%252F%252Fevil.example",
            "?r=next%253D%252F%252Fevil.example",
            "?r=a%3D1%3Bnext%3D//evil.example",
            "?r=a%3Db%3Dnext%3D//evil.example",
        ] {
            assert!(leads_on(rest), "{rest}");
        }
        for rest in [
            "?data=%7B%22a%22:%22x//y%22%7D",
            "?data=%7B%22a%22:%22/home%22,%22at%22:%2212:30%22,%22n%22:7%7D",
            "?data=%7B%22next%22:%22/home?tab=1%26x=/y%22%7D",
            "?data=%7B%22next%22:%22https://app.example.com/home?tab=/a%22%7D",
            "?data=%7B%22next%22:%22myapp://home%22,%22resource%22:%22api://1234%22%7D",
            "?data=%7B%22next%22:%22step:2%22,%22scope%22:[%22data:read%22,%22file:write%22]%7D",
            "?data=%7B%22text%22:%22see%20https://app.example.com%22%7D",
            "?data=%7B%22file%22:%22C:%5C%5Cdir%5C%5Cfile.txt%22%7D",
            "?data=%7B%22unfinished",
            "?filter=[%22a%22,%22b%22]",
            "?filter=[%22a/b%22,%22/c%22,%22d:e%22]",
            "?filter=name%20eq%20'a//b'",
            "?filter=status%3Dopen%26path%3D/a/b",
            "?text=it's%20a//b",
            "?text=sum%20=%20https://other.example.com",
            "?list=a//b,c//d,/e",
            "?list=data:read,file:write",
            "?accept=text/html;q=0.9,application/json;q=0.8",
            "?r=next%3D/home%26tab%3D1",
            "?r=next%3Dstep:2%26resource%3Dapi://1234",
            "?resource=api://1234%26x%3D1",
            "?share=mailto:a@b.example?subject%3DHi%26body%3Da/b",
            "?sig=ab//cd%2Bef%3D%3D",
            "?sep=,/",
        ] {
            assert!(!leads_on(rest), "{rest}");
        }
    }

    #[test]
    fn an_ordinary_value_of_many_parts_is_not_too_tangled() {
        let pairs: Vec<String> = (0..40).map(|n| format!("key{n}=/value/{n}")).collect();
        assert!(!leads_on(&format!("?r={}", pairs.join("&").replace('&', "%26").replace('=', "%3D"))));
        let json: Vec<String> = (0..40).map(|n| format!("%22key{n}%22:%22/value/{n}%22")).collect();
        assert!(!leads_on(&format!("?data=%7B{}%7D", json.join(","))));
        let page = "/home?a=1%26b=/2%26c=3%23/top";
        assert!(!leads_on(&format!("?next={page}&then=https://app.example.com{page}")));
        let nested =
            ["https://app.example.com/a?next=", "https://known.example.com/b?next=", "https://app.example.com/c?d=/e"];
        assert!(!leads_on(&format!("?next={}", nested.concat())));
    }

    #[test]
    fn refuses_what_runs_opens_or_starts_something() {
        for rest in [
            "?next=javascript:alert(1)",
            "?next=java%2509script:alert(1)",
            "?next=%2501javascript:alert(1)",
            "?next=data:text/html,x",
            "?next=data:text/html;base64,eA",
            "?next=data:,x",
            "?next=blob:https://evil.example/x",
            "?next=filesystem:https://evil.example/temporary/x",
            "?next=view-source:https://evil.example",
            "?next=jar:https://evil.example/a!/",
            "?next=feed:https://evil.example",
            "?next=file:///etc/passwd",
            "?next=file:/etc/passwd",
            "?next=file:%5c%5cevil.example%5cshare",
            "?next=intent:x",
            "?next=intent://x%23Intent;scheme=https;end",
            "?next=smb://evil.example/share",
            "?next=ms-msdt:/id",
            "/go/javascript:alert(1)",
            ";next=javascript:alert(1)",
            "/next=javascript:alert(1)",
            ";next=file:///etc/passwd",
        ] {
            assert!(leads_on(rest), "{rest}");
        }
    }

    #[test]
    fn ordinary_queries_lead_nowhere() {
        for rest in [
            "",
            "?",
            "?tenant=42&lang=de-DE",
            "?next=/home",
            "?next=%2Fhome%2Fuser",
            "?next=/home?tab=1%26x=/y%23top",
            "?next=https://app.example.com/home",
            "?next=https://app.example.com/home?tab=/a/b",
            "?next=https://app.example.com/?u=https://known.example.com/",
            "?next=https://app.example.com&login_hint=user@example.org",
            "?issuer=https%3A%2F%2Fknown.example.com%2Frealms%2Fa",
            "?x=a:b/c?d",
            "?time=12:30",
            "?date=2026-01-02T12:30:00Z",
            "?urn=urn:example:a",
            "?scope=a:b",
            "?scope=data:read+file:write+content:x",
            "?scope=file:read",
            "?resource=api://1234",
            "?to=mailto:a@b.example",
            "?to=mailto:a@b.example?subject=a/b",
            "?call=tel:+491234",
            "?at=geo:52.5,13.4",
            "?page=news:today",
            "?file=C:%5Cdir%5Cfile.txt",
            "?file=c:/dir/file.txt",
            "?user=@alice:example.org",
            "?room=%23room:example.org",
            "?text=see+https://other.example.com",
            "?text=see,+https://other.example.com",
            "?text=e.g.,+%22the+page%22+https://other.example.com",
            "?pages=/a,/b&list=a,b,c",
            "?u=x,https://app.example.com/home",
            "?json=%7B%22next%22%3A%22https://app.example.com/%22,%22at%22%3A%2212:30%22%7D",
            "?form=a%3D1%26next%3Dhttps://known.example.com/",
            "?resources=api://1234,api://5678",
            "?scopes=a:b,c:d",
            "?q=100%25&r=%2B",
            "?next=myapp://home",
            "?e=a=b==",
            "?flag",
            "/a:b",
            "/12:30",
            "/urn:example:a",
            "/@alice:example.org",
            ";v=1",
            ";v=1/a=b&c",
            "/a=b:c;d=e",
            "//evil.example",
            "?next=/a;b=c",
            "//b",
        ] {
            assert!(!leads_on(rest), "{rest}");
        }
    }

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
        ] {
            assert!(response_parameter(query).is_some(), "{query}");
        }
        for query in [
            "codec=av1",
            "Code=x",
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
            assert_eq!(response_parameter(query), None, "{query}");
        }
        assert!(response_parameter("iss=x").unwrap().ends_with("(RFC 9207 §2)"));
    }
}
