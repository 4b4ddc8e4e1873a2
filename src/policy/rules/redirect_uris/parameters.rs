//! What the names of a query's parameters say of their values: where to go next, or the name of an API, a server, a way to sign in.

/// Parameters whose names begin with these say where to go next, written without `_`, `-` and `.`: `returnTo`, `redirect_uri`. Those that end
/// with `redirect` as well: `post_logout_redirect_uri`.
const LEADING: [&str; 12] = [
    "next",
    "return",
    "redir",
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
/// (`api://1234`; see [`NAMING`]).
const LEADING_ALONE: [&str; 29] = [
    "",
    "u",
    "r",
    "to",
    "go",
    "href",
    "app",
    "cb",
    "back",
    "dest",
    "target",
    "success",
    "failure",
    "error",
    "cancel",
    "done",
    "final",
    "exit",
    "out",
    "open",
    "launch",
    "home",
    "rd",
    "ru",
    "wreply",
    "retpath",
    "location",
    "jumpto",
    "afterlogin",
];

/// Parameters that name an API, a server or how somebody signed in, written as in [`LEADING`]: a client that has a redirect URI for each of its
/// resources (RFC 8707 §2) keeps them there, and no page goes on to one. Not `issuer`: a client that follows one gives the code to it, so
/// here it names this server (RFC 9700 §4.4.2).
const NAMING: [&str; 8] = ["resource", "audience", "aud", "realm", "acr", "acrvalues", "mcpserver", "server"];

/// Those of them that say so with `url` or `uri` behind them as well. A `resource_url` may be a file that a page opens.
const NAMING_A_SERVER: [&str; 2] = ["mcpserver", "server"];

/// Whether a parameter of this name, written [`plainly`], names something.
pub(super) fn is_naming(name: &str) -> bool {
    let mut bare = ["url", "uri"].into_iter().filter_map(|end| name.strip_suffix(end));
    NAMING.contains(&name) || bare.any(|name| NAMING_A_SERVER.contains(&name))
}

/// The name in small letters, without what stands between its words.
pub(super) fn plainly(name: &str) -> String {
    name.chars().filter(|c| !"_-.".contains(*c)).collect::<String>().to_ascii_lowercase()
}

/// Whether a parameter of this name is there to say where to go next.
pub(super) fn is_leading(name: &str) -> bool {
    let name = plainly(name);
    is_plainly_leading(&name) || LEADING_ALONE.contains(&bare(&name))
}

/// Whether a parameter of this name, written [`plainly`], is one of [`LEADING`].
pub(super) fn is_plainly_leading(name: &str) -> bool {
    LEADING.iter().any(|begin| name.starts_with(begin)) || bare(name).ends_with("redirect")
}

/// Whether a parameter of this name says that its value is a URL to go to next, and not only that it might be: not `to=page:home`.
pub(super) fn is_for_a_url(name: &str) -> bool {
    let name = plainly(name);
    is_plainly_leading(&name) || (bare(&name) != name && LEADING_ALONE.contains(&bare(&name)))
}

/// The name without what says that its value is a URL.
fn bare(name: &str) -> &str {
    ["url", "uri", "link"].into_iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}
