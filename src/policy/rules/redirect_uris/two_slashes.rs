//! A path that begins with two slashes: an empty segment, or a reference to another host (RFC 3986 §4.2).

use url::Url;

use crate::parameter_name::is_nothing;

/// Whether what follows two slashes is a host (`evil.com/cb`, not `cb.html` or `cb`): a server that mends its paths answers
/// `Location: //evil.com/cb/`, with the answer in its query.
pub(super) fn begins_with_a_host(text: &str) -> bool {
    let text = text.trim_start_matches('/').trim_start_matches(is_nothing);
    let authority = text.split(['/', '?', '#']).next().unwrap_or_default().trim_end_matches(is_nothing);
    if authority.contains(['@', ':']) {
        return true;
    }
    let name = authority.trim_matches('.');
    match Url::parse(&format!("https://{name}")).ok().as_ref().and_then(Url::host) {
        Some(url::Host::Domain(host)) => {
            let ending = host.rsplit_once('.').map(|(_, ending)| ending);
            host == "localhost" || ending.is_some_and(|ending| !PAGES.contains(&ending))
        }
        // `//2.0/cb` is a version.
        Some(_) => name.len() > SHORTEST_ADDRESS,
        None => false,
    }
}

/// What is as short as this is rather a number of the client's than an address.
const SHORTEST_ADDRESS: usize = 6;

/// How the names of pages end; none is a top-level domain.
const PAGES: [&str; 16] = [
    "html", "htm", "xhtml", "php", "jsp", "jspx", "jsf", "asp", "aspx", "ashx", "axd", "svc", "action", "callback",
    "cgi", "json",
];
