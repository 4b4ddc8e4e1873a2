//! What a redirect URI is (RFC 3986, RFC 6749 §3.1.2, RFC 8252), parsed once; where a browser would read it otherwise, it is malformed.

use super::excerpt::Excerpt;
use super::host::Host;
use super::strict_uri::{Encoded, MalformedUri, StrictUri};

/// A parsed redirect URI. Absolute, no fragment, no userinfo, nothing hidden by encoding; judged no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUri {
    text: String,
    kind: RedirectUriKind,
}

/// The three kinds of RFC 8252 §7, and plain `http`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectUriKind {
    /// `https` with a host (§7.2).
    Https(Target),
    /// `http` on `localhost`, 127.0.0.0/8 or `[::1]` (§7.3).
    Loopback(Target),
    /// `http` with any other host.
    Http(Target),
    /// A private-use scheme (§7.1).
    PrivateUse {
        /// The scheme, lower-cased.
        scheme: String,
        /// What follows the colon, as given.
        rest: String,
    },
}

/// Host, port, path and query of an `http` or `https` URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The port, when one is written.
    pub port: Option<u16>,
    /// The path as given; empty or beginning with `/`.
    pub path: String,
    /// The query as given, without `?`.
    pub query: Option<String>,
}

/// Why a text is no redirect URI. Each is the end of a sentence that begins with the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedRedirectUri {
    /// The entry of `redirect_uris` is a number, an object, `null`, …
    #[error("is not a string")]
    NotAString,
    /// RFC 6749 §3.1.2: the endpoint URI must not include a fragment component; an empty one is one.
    #[error("contains a fragment (RFC 6749 §3.1.2)")]
    Fragment,
    /// Servers read it as a pattern, in the host or at the end of a path.
    #[error("contains a wildcard (*); redirect URIs are exact")]
    Wildcard,
    /// `javascript:`, `data:`, `file:`, …: running code, local files, other programs.
    #[error("has a scheme that can never receive a redirect")]
    ForbiddenScheme,
    /// Not a URI that every reader reads alike.
    #[error(transparent)]
    Uri(#[from] MalformedUri),
}

/// Schemes that run code, open local files or other protocols, or start other programs with what they are given (RFC 8252 §8.4 asks
/// for names in one's own control). Sorted.
const FORBIDDEN_SCHEMES: [&str; 93] = [
    "about",
    "acct",
    "aim",
    "android-app",
    "android.resource",
    "blob",
    "brave",
    "callto",
    "chrome",
    "chrome-devtools",
    "chrome-error",
    "chrome-native",
    "chrome-search",
    "chrome-untrusted",
    "cid",
    "content",
    "data",
    "devtools",
    "dict",
    "dns",
    "edge",
    "facetime",
    "facetime-audio",
    "fax",
    "feed",
    "file",
    "filesystem",
    "ftp",
    "ftps",
    "geo",
    "git",
    "gopher",
    "h323",
    "hcp",
    "help",
    "im",
    "imap",
    "intent",
    "ipp",
    "irc",
    "ircs",
    "itms",
    "itms-apps",
    "itms-services",
    "jar",
    "javascript",
    "jdbc",
    "jndi",
    "ldap",
    "ldaps",
    "livescript",
    "magnet",
    "mailto",
    "maps",
    "market",
    "mhtml",
    "mid",
    "mk",
    "mms",
    "mocha",
    "moz-icon",
    "ms-cxh",
    "ms-excel",
    "ms-its",
    "ms-msdt",
    "ms-officecmd",
    "ms-powerpoint",
    "ms-search",
    "ms-word",
    "netdoc",
    "news",
    "nfs",
    "nntp",
    "opera",
    "pop",
    "res",
    "resource",
    "rtsp",
    "search-ms",
    "sftp",
    "shell",
    "sip",
    "sips",
    "smb",
    "sms",
    "smsto",
    "ssh",
    "tel",
    "telnet",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

/// Whether a scheme (lower-cased) is one that no profile can allow.
pub fn is_forbidden_scheme(scheme: &str) -> bool {
    FORBIDDEN_SCHEMES.contains(&scheme)
}

/// The host of a redirect URI as a server or a record has it, which need not be one that we would take; the scheme of what has no host. None:
/// it is no URL.
pub fn host_or_scheme(uri: &str) -> Option<String> {
    let url = url::Url::parse(uri).ok()?;
    Some(url.host_str().map_or_else(|| format!("{}:", url.scheme()), str::to_owned))
}

/// Where a redirect URI leads that may be none: its host or scheme; where a reader of URLs finds neither, as much of the text as is shown.
pub fn whereto(uri: &str) -> String {
    const LONGEST_HOST: usize = 255;
    let known = host_or_scheme(uri).filter(|host| host.len() <= LONGEST_HOST);
    known.unwrap_or_else(|| Excerpt(uri).to_string())
}

impl RedirectUri {
    /// Reads a redirect URI.
    ///
    /// # Errors
    /// The first reason why it cannot be one.
    pub fn parse(text: &str) -> Result<Self, MalformedRedirectUri> {
        // Before the grammar, so that the sentence says what was meant: `javascript:` and `data:` are often no URIs.
        let scheme = text.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if scheme.len() < text.len() && is_forbidden_scheme(&scheme) {
            return Err(MalformedRedirectUri::ForbiddenScheme);
        }
        let parts = StrictUri::parse(text, Encoded::NoDelimiter)?;
        if text.contains('#') {
            return Err(MalformedRedirectUri::Fragment);
        }
        if text.contains('*') {
            return Err(MalformedRedirectUri::Wildcard);
        }
        let kind = match scheme.as_str() {
            "https" => RedirectUriKind::Https(Target::new(&parts, text)?),
            "http" => {
                let target = Target::new(&parts, text)?;
                if target.is_loopback() { RedirectUriKind::Loopback(target) } else { RedirectUriKind::Http(target) }
            }
            _ => {
                parts.check_private_use(text)?;
                let rest = text[scheme.len() + 1..].to_owned();
                RedirectUriKind::PrivateUse { scheme, rest }
            }
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    /// The text exactly as the client gave it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What kind it is.
    pub fn kind(&self) -> &RedirectUriKind {
        &self.kind
    }

    /// Whether it leads to the machine of the person who follows it, over TLS or not.
    pub fn is_on_this_machine(&self) -> bool {
        match &self.kind {
            RedirectUriKind::Loopback(_) => true,
            RedirectUriKind::Https(target) => target.is_loopback(),
            RedirectUriKind::Http(_) | RedirectUriKind::PrivateUse { .. } => false,
        }
    }

    /// What it names of the web: the target of an https URI that leads to another machine than the person's own.
    pub fn web_target(&self) -> Option<&Target> {
        match &self.kind {
            RedirectUriKind::Https(target) if !target.is_loopback() => Some(target),
            _ => None,
        }
    }

    /// The host, or the scheme of what has none: `com.example.app:`.
    pub fn host_or_scheme(&self) -> String {
        match &self.kind {
            RedirectUriKind::Https(target) | RedirectUriKind::Loopback(target) | RedirectUriKind::Http(target) => {
                target.host.to_string()
            }
            RedirectUriKind::PrivateUse { scheme, .. } => format!("{scheme}:"),
        }
    }

    /// A loopback URI without its port, everything else as the client spelled it: some servers accept any port
    /// (RFC 8252 §7.3) only where none was registered. Any other URI is returned as it is.
    #[must_use]
    pub fn without_port(&self) -> Self {
        let RedirectUriKind::Loopback(Target { port: Some(port), .. }) = &self.kind else { return self.clone() };
        // No user information and no encoding: the first `:port` after `//host` is the port, an IPv6 literal being in brackets.
        let host_start = self.text.find("//").map_or(0, |slashes| slashes + 2);
        let host_end = self.text[host_start..].find(['/', '?']).map_or(self.text.len(), |end| host_start + end);
        let (authority, rest) = (&self.text[..host_end], &self.text[host_end..]);
        let without = authority.strip_suffix(&format!(":{port}")).unwrap_or(authority);
        let mut uri = self.clone();
        uri.text = format!("{without}{rest}");
        if let RedirectUriKind::Loopback(target) = &mut uri.kind {
            target.port = None;
        }
        uri
    }
}

impl Target {
    fn new(parts: &StrictUri<'_>, text: &str) -> Result<Self, MalformedUri> {
        Ok(Self {
            host: parts.web_host(text)?,
            port: parts.authority.and_then(|authority| authority.port),
            path: parts.path.to_owned(),
            query: parts.query.map(str::to_owned),
        })
    }

    /// RFC 8252 §7.3 means the loopback interface itself: `localhost` and the plain literals, not names below it nor mapped addresses.
    fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Name(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        }
    }
}

#[cfg(test)]
mod tests;
