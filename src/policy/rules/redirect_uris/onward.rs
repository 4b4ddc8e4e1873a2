//! What stands in a redirect URI itself and leads the answer on: a URL of another host in its query or path, which the page behind it
//! may send the browser to (an open redirector, RFC 9700 §4.11.1), and an app's in a parameter that is there to lead on.

mod parts;

use url::Url;
use url::form_urlencoded;

use super::parameters::{is_for_a_url, is_leading, is_naming, is_plainly_leading, plainly};
use super::two_slashes::begins_with_a_host;
use crate::parameter_name::is_nothing;
use crate::percent::{DECODINGS, percent_decoded};
use crate::registration::excerpt::Excerpt;
use crate::registration::host::Host;
use crate::registration::redirect_uri::is_forbidden_scheme;
use crate::registration::strict_uri::LONGEST_URI;

/// Schemes that run what follows them, or start an app with it.
const RUNNING: [&str; 4] = ["javascript", "vbscript", "livescript", "intent"];

/// Parameters whose values are names alone ([`is_naming`]), and some begin with `http:` (OpenID PAPE).
const NAMING_BY_HTTP: [&str; 2] = ["acr", "acrvalues"];

/// Stands for the page's own host where a text is read as what that page would make of it.
const OWN_HOST: &str = "own.example.com";

/// How many bytes of text within text are read in one URI. An ordinary one has a fifth of that; whoever nests more hides something.
const MOST_READ: usize = 8 * LONGEST_URI;

/// Where a URL in a redirect URI leads, which may be the client's own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Destination<'a> {
    /// A page of this host.
    Host(&'a Host),
    /// The app that has this scheme, in lower case, with what stands behind the colon.
    App(&'a str, &'a str),
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
            if is_name_of_another(&name, &value) {
                return self.behind_a_name(&value);
            }
            let (leads, is_alone) = (is_leading(&name), value.is_empty());
            let appended = || self.appended(&value).filter(|_| is_plainly_leading(&plainly(&name)));
            let found = appended().or_else(|| self.opened(&name, &value));
            found.or_else(|| self.in_text(value, leads)).or_else(|| self.in_text(name, is_alone))
        })
    }

    /// Where a page is led that appends the text to its own `https://host`, as it might a path: `@evil.com`, `.evil.com`, `:443@evil.com`.
    fn appended(&self, text: &str) -> Option<Onward> {
        let completes = text.starts_with(['@', ':'])
            || text.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
        let url = completes.then(|| Url::parse(&format!("https://{OWN_HOST}{text}")).ok()).flatten()?;
        let host = url.host_str().filter(|host| *host != OWN_HOST).and_then(Host::parse)?;
        // `.eJwN.Zx` is a token, `@alice` somebody's name.
        (host.is_public() && !(self.is_known)(Destination::Host(&host))).then_some(Onward::Host(host))
    }

    /// The app that systems open by a scheme and its colon alone, `evilapp:cb`, where the parameter's name says that a page goes there.
    fn opened(&self, name: &str, text: &str) -> Option<Onward> {
        if !is_for_a_url(name) {
            return None;
        }
        let mut text = text.to_owned();
        for _ in 0..DECODINGS {
            let cleaned = as_a_browser_cleans(&text);
            if let Some((scheme, rest)) = app_by_its_scheme(&cleaned)
                && !(self.is_known)(Destination::App(&scheme, rest))
            {
                return Some(Onward::App(scheme));
            }
            let decoded = decode(&text);
            if decoded == text {
                break;
            }
            text = decoded;
        }
        None
    }

    /// In what a URL holds that names something: its own host is not led to, a page that takes it apart might be led on by the rest.
    fn behind_a_name(&mut self, text: &str) -> Option<Onward> {
        let url = Url::parse(text).ok()?;
        if path_leads_on(url.path()) {
            return Some(Onward::Path);
        }
        text.split_once(['?', '#']).and_then(|(_, query)| self.in_query(query))
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
            self.opened(&name, &value).or_else(|| self.in_text(value, leads)).or_else(|| self.in_name(name))
        })
    }

    /// In the texts of JSON, each as it would be in the query itself under its name, or, in a list, under the list's.
    fn in_json(&mut self, text: &str, leads: bool) -> Option<Onward> {
        if !text.trim_start_matches(is_nothing).starts_with(['{', '[']) {
            return None;
        }
        let (mut named, mut name) = (leads, String::new());
        literals(text).into_iter().find_map(|(literal, is_name)| {
            if is_name {
                named = is_leading(&literal);
                name.clone_from(&literal);
                return self.in_name(literal);
            }
            // `""` is a name that leads, but nobody wrote it here.
            let opened = if name.is_empty() { None } else { self.opened(&name, &literal) };
            opened.or_else(|| self.in_text(literal, named))
        })
    }

    /// In a name within a value, which says nothing of where to go next.
    fn in_name(&mut self, name: String) -> Option<Onward> {
        let leads = false;
        self.in_text(name, leads)
    }

    /// In what a page takes apart before it opens one of the parts. A URL behind a space stands in a sentence.
    fn in_parts(&mut self, text: &str) -> Option<Onward> {
        // Which part says where to go next, nobody knows.
        let leads = false;
        let mut parts = parts::parts(text);
        parts.find_map(|part| self.as_written(part, leads))
    }

    fn as_written(&mut self, text: &str, leads: bool) -> Option<Onward> {
        let path = match read(text) {
            Meaning::Web(url) => match url.host_str().and_then(Host::parse) {
                Some(host) if !(self.is_known)(Destination::Host(&host)) => return Some(Onward::Host(host)),
                _ => url.path().to_owned(),
            },
            Meaning::App(scheme) => {
                let rest = text.split_once(':').map_or("", |(_, rest)| rest);
                if !(self.is_known)(Destination::App(&scheme, rest)) {
                    return leads.then_some(Onward::App(scheme));
                }
                String::new()
            }
            Meaning::Running => return Some(Onward::Running),
            Meaning::Opening => return leads.then_some(Onward::Running),
            Meaning::Other => return None,
            Meaning::Relative => match with_two_slashes(text) {
                Some(path) => path,
                None => {
                    text.split(['?', '#']).next().filter(|path| path.starts_with('/')).unwrap_or_default().to_owned()
                }
            },
        };
        if path_leads_on(&path) {
            return Some(Onward::Path);
        }
        // The page there is the client's own and may do the same with its own query, or with what it keeps in a fragment.
        text.split_once(['?', '#']).and_then(|(_, query)| self.in_query(query))
    }
}

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

/// The path that a reference has when its dot segments are gone, where that begins with two slashes: `/.//evil.com`, `..//evil.com`.
fn with_two_slashes(reference: &str) -> Option<String> {
    let base = Url::parse(&format!("https://{OWN_HOST}/")).ok().filter(|_| reference.contains(".//"))?;
    let path = base.join(reference).ok()?.path().to_owned();
    path.starts_with("//").then_some(path)
}

/// Whether a text is a URL of any host, or runs.
fn leads_on(text: &str) -> bool {
    matches!(read(text), Meaning::Web(_) | Meaning::Running)
}

/// The pairs of the query, those as well that it has to whom a semicolon ends one, too (HTML 4.01 appendix B.2.2).
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    let other = if query.contains(';') { query.replace(';', "&") } else { String::new() };
    let both = [query, &other].map(|query| form_urlencoded::parse(query.as_bytes()).into_owned());
    both.into_iter().flatten().collect()
}

/// Whether a parameter names something, by an https URL and nothing beside it.
fn is_name_of_another(name: &str, value: &str) -> bool {
    let name = plainly(name);
    let begins = |scheme: &str| value.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    let is_url = begins("https://") || (begins("http://") && NAMING_BY_HTTP.contains(&name.as_str()));
    let is_plain = |c: char| c.is_ascii_graphic() && !"\\\"'<>,|".contains(c);
    let has_user = |url: &Url| !url.username().is_empty() || url.password().is_some();
    is_naming(&name)
        && is_url
        && value.chars().all(is_plain)
        && Url::parse(value).is_ok_and(|url| url.host().is_some() && !has_user(&url))
}

/// What a text is to a page that takes it for a URL.
enum Meaning {
    /// Of a host.
    Web(Url),
    /// Runs code, opens a file, starts another program.
    Running,
    /// Does so when a page goes on to it; otherwise it may name something: `file:read`.
    Opening,
    /// May be handed to the app of this scheme: `myapp://…`, `com.example.app:…` (RFC 8252 §7.1). Or names something: `api://…`.
    App(String),
    /// What leads nowhere: `urn:…`, `mailto:…`, `12:30`.
    Other,
    /// A reference, or any other text.
    Relative,
}

/// Schemes that no client may have, and that lead nowhere.
const NOWHERE: [&str; 11] = ["about", "acct", "cid", "geo", "help", "mailto", "market", "mid", "news", "tel", "urn"];

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
        _ if is_forbidden_scheme(scheme) && !NOWHERE.contains(&scheme) => Meaning::Opening,
        // `app.example.com:8443/done`.
        _ if scheme.contains('.') && begins_with_a_port(rest) => {
            Url::parse(&format!("https://{text}")).map_or(Meaning::Other, Meaning::Web)
        }
        // `c:/dir` is a file's; `step:2` names something.
        _ if scheme.contains('.') || (rest.starts_with('/') && scheme.len() > 1) => Meaning::App(scheme.to_owned()),
        _ => Meaning::Other,
    }
}

/// The scheme and the rest of what names an app by its scheme alone; `step:2` and `localhost:3000/home` do not, and `c:` is a disk.
fn app_by_its_scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_app = matches!(read(text), Meaning::Other) && Url::parse(text).is_ok();
    let scheme = scheme.to_ascii_lowercase();
    let leads_nowhere = scheme.len() == 1 || NOWHERE.contains(&scheme.as_str()) || begins_with_a_port(rest);
    (is_app && !leads_nowhere).then_some((scheme, rest))
}

fn begins_with_a_port(rest: &str) -> bool {
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    digits > 0 && rest[digits..].chars().next().is_none_or(|next| "/?#".contains(next))
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
mod tests;
