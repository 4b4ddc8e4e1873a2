//! URIs that every reader reads alike: RFC 3986 to the letter, and what a browser (WHATWG) makes of the same text is the same.
//! What `redirect_uri` and `web_url` are built on; judges no scheme and no host.

use fluent_uri::Uri;
use fluent_uri::component::Authority;
use unicode_normalization::UnicodeNormalization;

use super::host::{Host, MalformedHost};
use super::unseen::{is_blank, is_variation_selector};
use crate::percent::{DECODINGS, escapes, percent_decoded};

/// The longest URI, in bytes.
pub const LONGEST_URI: usize = 2048;

/// Why a text is no URI that every reader reads alike. Each is the end of a sentence that begins with the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedUri {
    /// Nothing.
    #[error("is empty")]
    Empty,
    /// More than [`LONGEST_URI`].
    #[error("is longer than {LONGEST_URI} bytes")]
    TooLong,
    /// A control character, a space, or one that looks like one; also at the ends.
    #[error("contains a space or a control character")]
    SpaceOrControl,
    /// A browser reads it as a slash.
    #[error("contains a backslash")]
    Backslash,
    /// RFC 3986 knows ASCII only.
    #[error("contains a character outside ASCII, which a URI percent-encodes (a host: punycode)")]
    NonAscii,
    /// No scheme.
    #[error("is not absolute: it begins with no scheme")]
    NotAbsolute,
    /// Not by the grammar.
    #[error("is not a URI (RFC 3986)")]
    NotAUri,
    /// `https:/path`, `https:host`.
    #[error("does not have // and a host after its scheme")]
    NoAuthority,
    /// `user@`, `user:password@`, `@`.
    #[error("contains user information before the host")]
    UserInformation,
    /// `https://app.example.com?@evil.example/`: the host ends at `?` (RFC 3986 §3.2), but not to whoever looks for the first slash.
    #[error(
        "contains an @ before the first slash behind the host, which some programs read as the end of user information"
    )]
    AtSign,
    /// No host, or none that is read alike.
    #[error(transparent)]
    Host(#[from] MalformedHost),
    /// `:0`, `:65536`.
    #[error("has a port that is not a number from 1 to 65535")]
    Port,
    /// `:0443`: the same port to a browser, another text to a comparison.
    #[error("has a port that begins with a zero")]
    PortBeginsWithZero,
    /// `:` alone.
    #[error("has a colon behind its host and no port behind the colon")]
    NoPort,
    /// `.` or `..`, whatever its spelling.
    #[error("contains a dot-segment (. or ..) in its path")]
    DotSegment,
    /// `%2f` and the like: a delimiter to those who decode before they split.
    #[error("contains a percent-encoded delimiter in its path")]
    EncodedDelimiter,
    /// `%252f`.
    #[error("contains a character that is percent-encoded twice in its path")]
    EncodedTwice,
    /// `%00`, `%0d%0a`.
    #[error("contains a percent-encoded control character")]
    EncodedControl,
    /// `%c0%af`.
    #[error("contains percent-encoded bytes in its path that are not UTF-8")]
    EncodedNotUtf8,
    /// `%E2%80%8B`, `%E2%80%A8`: who shows it shows another URI, or two lines.
    #[error("contains a percent-encoded character that nobody sees, or that ends a line")]
    EncodedUnseen,
    /// `%3Cscript%3E`.
    #[error("contains a percent-encoded <, which a page that shows it reads as markup")]
    EncodedMarkup,
    /// The two readings differ in a way that has no name of its own.
    #[error("is read differently by browsers (WHATWG URL) than by RFC 3986")]
    ReadDifferently,
}

/// The parts of a URI, as written but for the scheme's case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StrictUri<'a> {
    pub scheme: &'a str,
    /// Host text and port; absent without `//`.
    pub authority: Option<StrictAuthority<'a>>,
    pub path: &'a str,
    pub query: Option<&'a str>,
}

/// What stands between `//` and the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StrictAuthority<'a> {
    pub host: &'a str,
    pub port: Option<u16>,
}

/// What a path may hold behind percent signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoded {
    /// No delimiter: paths that somebody compares.
    NoDelimiter,
    /// A delimiter may be a part of a name (`/wiki/What%3F`, `/projects/group%2Fproject`), but nobody who decodes before he splits, however
    /// often, comes to another directory, past a backslash, or across a control character.
    NoOtherPath,
}

impl<'a> StrictUri<'a> {
    /// Reads a URI of any scheme, whose path holds delimiters as this says. A fragment is the caller's business.
    ///
    /// # Errors
    /// Characters or escapes that somebody reads otherwise than RFC 3986.
    pub fn parse(text: &'a str, encoded: Encoded) -> Result<Self, MalformedUri> {
        check_characters(text)?;
        let uri = Uri::parse(text).map_err(|_| not_a_uri(text))?;
        let authority = uri.authority().map(read_authority).transpose()?;
        let parts = Self {
            scheme: uri.scheme().as_str(),
            authority,
            path: uri.path().as_str(),
            query: uri.query().map(|query| query.as_str()),
        };
        match encoded {
            Encoded::NoDelimiter => check_path(parts.path),
            Encoded::NoOtherPath => check_segments(parts.path),
        }?;
        let fragment = uri.fragment().map_or("", |fragment| fragment.as_str());
        for text in [parts.query.unwrap_or_default(), fragment] {
            let decoded = percent_decoded(text.as_bytes());
            let is_control = |character: char| character.is_control() || is_bidirectional_control(character);
            // Other bytes than those of UTF-8 are a form's in another encoding.
            let decoded = String::from_utf8_lossy(&decoded);
            if decoded.contains(is_control) {
                return Err(MalformedUri::EncodedControl);
            }
            if encoded == Encoded::NoDelimiter {
                check_shown(&decoded)?;
            }
        }
        Ok(parts)
    }

    /// The host of an `http` or `https` URI, after a browser's reading of the same text was found to be the same.
    ///
    /// # Errors
    /// A browser would go elsewhere, or there is no host.
    pub fn web_host(&self, text: &str) -> Result<Host, MalformedUri> {
        let authority = self.authority.ok_or(MalformedUri::NoAuthority)?;
        let host = Host::parse_strictly(authority.host)?;
        // An authority has no `@` here any more: this one stands behind it.
        let until_slash = text.split('/').nth(2).unwrap_or_default();
        if self.path.is_empty() && until_slash.contains('@') {
            return Err(MalformedUri::AtSign);
        }
        let browser = url::Url::parse(text).map_err(|_| MalformedUri::ReadDifferently)?;
        let default = if browser.scheme() == "https" { 443 } else { 80 };
        let same = browser.scheme().eq_ignore_ascii_case(self.scheme)
            && is_same_host(browser.host(), &host)
            && browser.port_or_known_default() == Some(authority.port.unwrap_or(default))
            && browser.path() == if self.path.is_empty() { "/" } else { self.path };
        same_or_refused(same && has_no_user(&browser)).map(|()| host)
    }

    /// The same comparison for a scheme that browsers hand on.
    pub fn check_private_use(&self, text: &str) -> Result<(), MalformedUri> {
        let host = self.authority.map_or("", |authority| authority.host);
        if host.contains('%') {
            return Err(MalformedHost::Encoded.into());
        }
        // Many take the host of such a URI for the first segment of its path.
        if is_dot_segment(host) {
            return Err(MalformedUri::DotSegment);
        }
        let browser = url::Url::parse(text).map_err(|_| MalformedUri::ReadDifferently)?;
        let same = browser.scheme().eq_ignore_ascii_case(self.scheme)
            // A browser shortens IPv6 literals in its own way.
            && (host.starts_with('[') || browser.host_str().unwrap_or_default() == host)
            && browser.port() == self.authority.and_then(|authority| authority.port)
            && browser.path() == self.path;
        same_or_refused(same && has_no_user(&browser))
    }
}

fn is_same_host(browser: Option<url::Host<&str>>, host: &Host) -> bool {
    match (browser, host) {
        (Some(url::Host::Domain(read)), Host::Name(name)) => read == name,
        (Some(url::Host::Ipv4(read)), Host::Ipv4(address)) => read == *address,
        (Some(url::Host::Ipv6(read)), Host::Ipv6(address)) => read == *address,
        _ => false,
    }
}

fn has_no_user(browser: &url::Url) -> bool {
    browser.username().is_empty() && browser.password().is_none()
}

fn same_or_refused(same: bool) -> Result<(), MalformedUri> {
    if same { Ok(()) } else { Err(MalformedUri::ReadDifferently) }
}

fn check_characters(text: &str) -> Result<(), MalformedUri> {
    if text.is_empty() {
        return Err(MalformedUri::Empty);
    }
    if text.len() > LONGEST_URI {
        return Err(MalformedUri::TooLong);
    }
    if text.contains(|character: char| character.is_control() || character.is_whitespace()) {
        return Err(MalformedUri::SpaceOrControl);
    }
    if text.contains('\\') {
        return Err(MalformedUri::Backslash);
    }
    if !text.is_ascii() {
        return Err(MalformedUri::NonAscii);
    }
    Ok(())
}

/// What the parser refused: a relative reference, or no URI at all.
fn not_a_uri(text: &str) -> MalformedUri {
    let scheme = text.split([':', '/', '?', '#']).next().unwrap_or_default();
    let has_scheme = text[scheme.len()..].starts_with(':')
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if has_scheme { MalformedUri::NotAUri } else { MalformedUri::NotAbsolute }
}

fn read_authority(authority: Authority<'_>) -> Result<StrictAuthority<'_>, MalformedUri> {
    if authority.has_userinfo() {
        return Err(MalformedUri::UserInformation);
    }
    let port = authority.port().map(|port| read_port(port.as_str())).transpose()?;
    Ok(StrictAuthority { host: authority.host(), port })
}

fn read_port(digits: &str) -> Result<u16, MalformedUri> {
    match digits {
        "" => Err(MalformedUri::NoPort),
        "0" => Err(MalformedUri::Port),
        _ if digits.starts_with('0') => Err(MalformedUri::PortBeginsWithZero),
        _ => digits.parse().map_err(|_| MalformedUri::Port),
    }
}

fn check_path(path: &str) -> Result<(), MalformedUri> {
    let is_encoded = path.contains('%');
    if (is_encoded || path.contains('.')) && path.split('/').any(is_dot_segment) {
        return Err(MalformedUri::DotSegment);
    }
    if !is_encoded {
        return Ok(());
    }
    for byte in escapes(path.as_bytes()).flatten() {
        match byte {
            _ if byte.is_ascii_control() => return Err(MalformedUri::EncodedControl),
            b'/' | b'\\' | b'.' | b'#' | b'?' | b'*' => return Err(MalformedUri::EncodedDelimiter),
            _ => {}
        }
    }
    let decoded = percent_decoded(path.as_bytes());
    let decoded = std::str::from_utf8(&decoded).map_err(|_| MalformedUri::EncodedNotUtf8)?;
    check_shown(decoded)?;
    // In what was decoded, because the digits may be encoded as well: `%25%32%66`.
    if escapes(decoded.as_bytes()).flatten().next().is_some() {
        return Err(MalformedUri::EncodedTwice);
    }
    for character in decoded.chars().filter(|character| !character.is_ascii()) {
        if character.is_control() || is_bidirectional_control(character) {
            return Err(MalformedUri::EncodedControl);
        }
        // Full-width and other compatibility forms (U+FF0F, U+2024, …) that a later normalisation turns into delimiters.
        if std::iter::once(character).nfkc().any(|read| "/\\.?#%*;:@".contains(read)) {
            return Err(MalformedUri::EncodedDelimiter);
        }
    }
    Ok(())
}

/// What a consent page or a log, which show such a URI decoded, would not show as it is.
fn check_shown(decoded: &str) -> Result<(), MalformedUri> {
    if decoded.contains(is_unseen) || has_stray_selector(decoded) {
        return Err(MalformedUri::EncodedUnseen);
    }
    let begins_a_tag = |(at, _): (usize, &str)| {
        decoded[at + 1..].starts_with(|next: char| next.is_ascii_alphabetic() || "/!?".contains(next))
    };
    if decoded.match_indices('<').any(begins_a_tag) { Err(MalformedUri::EncodedMarkup) } else { Ok(()) }
}

/// Shows nothing, or ends a line. Not the joiners (U+200C, U+200D), which words and emoji are written with.
fn is_unseen(character: char) -> bool {
    is_blank(character)
        || matches!(
            character,
            '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2064}'
                | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whether a selector stands where there are no forms to choose among: behind none of the emoji, ideographs and others that have no capitals,
/// nor one of the letters that are emoji as well.
fn has_stray_selector(decoded: &str) -> bool {
    const KEYCAP: char = '\u{20e3}';
    let mut before = None;
    let mut characters = decoded.chars().peekable();
    while let Some(character) = characters.next() {
        let has_forms = |c: char| {
            let is_letter = c.is_ascii() || c.is_lowercase() || c.is_uppercase();
            (!is_letter || is_emoji_letter(c)) && !is_variation_selector(c)
        };
        let is_chosen = before.is_some_and(has_forms) || characters.peek() == Some(&KEYCAP);
        if is_variation_selector(character) && !is_chosen {
            return true;
        }
        before = Some(character);
    }
    false
}

/// The emoji that count as letters with capitals: information, metro, and the signs of blood groups and parking.
fn is_emoji_letter(character: char) -> bool {
    matches!(character, '\u{2139}' | '\u{24c2}' | '\u{1f170}' | '\u{1f171}' | '\u{1f17e}' | '\u{1f17f}')
}

/// What [`Encoded::NoOtherPath`] says.
fn check_segments(path: &str) -> Result<(), MalformedUri> {
    if std::str::from_utf8(&percent_decoded(path.as_bytes())).is_err() {
        return Err(MalformedUri::EncodedNotUtf8);
    }
    let mut path = path.to_owned();
    for _ in 0..=DECODINGS {
        if path.contains(|character: char| character.is_control() || is_bidirectional_control(character)) {
            return Err(MalformedUri::EncodedControl);
        }
        if path.contains('\\') {
            return Err(MalformedUri::EncodedDelimiter);
        }
        if path.split('/').any(is_dot_segment) {
            return Err(MalformedUri::DotSegment);
        }
        // The full-width forms as well, as a later normalisation reads them. What is encoded twice may be a percent sign behind a number
        // (`100%25best`), and no text.
        let decoded = String::from_utf8_lossy(&percent_decoded(path.as_bytes())).nfkc().collect();
        if decoded == path {
            return Ok(());
        }
        path = decoded;
    }
    Err(MalformedUri::EncodedTwice)
}

/// What turns the text around it, wherever somebody shows it.
pub(crate) fn is_bidirectional_control(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `.` or `..`, also encoded, also with path parameters (`..;x`), which some servers take off before they resolve, or with what is a query
/// or a fragment once it is decoded (`..%3Fx`).
fn is_dot_segment(segment: &str) -> bool {
    let decoded = percent_decoded(segment.as_bytes());
    let name = decoded.split(|byte| b";?#".contains(byte)).next().unwrap_or_default();
    matches!(name, b"." | b"..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_hides_nothing() {
        for (path, problem) in [
            ("/a/../b", MalformedUri::DotSegment),
            ("/a/.", MalformedUri::DotSegment),
            ("/%2e%2E/b", MalformedUri::DotSegment),
            ("/.%2e/b", MalformedUri::DotSegment),
            ("/..;/b", MalformedUri::DotSegment),
            ("/..%3bx/b", MalformedUri::DotSegment),
            ("/a%2fb", MalformedUri::EncodedDelimiter),
            ("/a%5Cb", MalformedUri::EncodedDelimiter),
            ("/a%23b", MalformedUri::EncodedDelimiter),
            ("/a%3Fb", MalformedUri::EncodedDelimiter),
            ("/a%2ejs", MalformedUri::EncodedDelimiter),
            ("/a%2A", MalformedUri::EncodedDelimiter),
            ("/%ef%bc%8f", MalformedUri::EncodedDelimiter),
            ("/%E2%80%A4%E2%80%A4", MalformedUri::EncodedDelimiter),
            ("/a%252fb", MalformedUri::EncodedTwice),
            ("/a%2525b", MalformedUri::EncodedTwice),
            ("/a%25%32%66b", MalformedUri::EncodedTwice),
            ("/a%252%66b", MalformedUri::EncodedTwice),
            ("/%25%32%65%25%32%65/b", MalformedUri::EncodedTwice),
            ("/a%00b", MalformedUri::EncodedControl),
            ("/a%0d%0aX:%20y", MalformedUri::EncodedControl),
            ("/a%7f", MalformedUri::EncodedControl),
            ("/a%c2%85", MalformedUri::EncodedControl),
            ("/%c0%ae%c0%ae/", MalformedUri::EncodedNotUtf8),
            ("/%e9", MalformedUri::EncodedNotUtf8),
            ("/cb%E2%80%8B", MalformedUri::EncodedUnseen),
            ("/cb%E2%80%A8", MalformedUri::EncodedUnseen),
            ("/cb%E2%80%A9", MalformedUri::EncodedUnseen),
            ("/%EF%BB%BFcb", MalformedUri::EncodedUnseen),
            ("/call%C2%ADback", MalformedUri::EncodedUnseen),
            ("/%E2%81%A0cb", MalformedUri::EncodedUnseen),
            ("/cb%F3%A0%81%81", MalformedUri::EncodedUnseen),
            ("/cb%E3%85%A4", MalformedUri::EncodedUnseen),
            ("/cb%EF%BE%A0", MalformedUri::EncodedUnseen),
            ("/%E1%85%9Fcb", MalformedUri::EncodedUnseen),
            ("/cb%E2%A0%80", MalformedUri::EncodedUnseen),
            ("/cb%F0%9D%85%99", MalformedUri::EncodedUnseen),
            ("/cb%EF%B8%8F", MalformedUri::EncodedUnseen),
            ("/%EF%B8%8F", MalformedUri::EncodedUnseen),
            ("/caf%C3%A9%F3%A0%84%80", MalformedUri::EncodedUnseen),
            ("/%E2%9D%A4%EF%B8%8F%EF%B8%8F", MalformedUri::EncodedUnseen),
            ("/%3Cscript%3Ealert(1)%3C%2Fscript%3E", MalformedUri::EncodedDelimiter),
            ("/%3Cscript%3Ealert(1)%3C/script%3E", MalformedUri::EncodedMarkup),
            ("/%3c!--", MalformedUri::EncodedMarkup),
        ] {
            assert_eq!(check_path(path), Err(problem), "{path}");
        }
        for path in [
            "",
            "/",
            "//a",
            "/a%20b",
            "/caf%C3%A9",
            "/100%25",
            "/.well-known/x",
            "/...",
            "/a..b",
            "/~u/(x)",
            "/%40me",
            "/a;b=c",
            "/%E5%AE%9F",
            "/%D9%85%DB%8C%E2%80%8C%D8%AE",
            "/%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB",
            "/a%3C5",
            "/%E2%9D%A4%EF%B8%8F",
            "/%E2%84%B9%EF%B8%8F",
            "/%E2%93%82%EF%B8%8F",
            "/%F0%9F%85%B0%EF%B8%8F",
            "/%F0%9F%85%BF%EF%B8%8F",
            "/1%EF%B8%8F%E2%83%A3",
            "/%E8%BE%BB%F3%A0%84%80",
        ] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn a_page_may_have_a_delimiter_in_its_name() {
        for path in [
            "",
            "/",
            "/v0/b/acme.appspot.com/o/images%2Flogo.png",
            "/wiki/What%3F",
            "/wiki/C%23",
            "/wiki/AC%2FDC",
            "/wiki/Who%3F...",
            "/wiki/M%2EA%2ES%2EH",
            "/api/v4/projects/group%2Fproject/repository/files/docs%2Flogo.png/raw",
            "/files/%5Bfinal%5D%20logo%2A.png",
            "/u/%40me;v=1",
            "/resize/https%3A%2F%2Fcdn.example.com%2Flogo.png",
            "/resize/https%253A%252F%252Fcdn.example.com%252Flogo.png",
            "/%EF%BC%9F%EF%BC%9A%EF%BC%8F",
            "/wiki/%E2%80%A6",
            "/a..b%2F..c%2Fd..",
            "/100%25",
            "/100%25best",
            "/caf%C3%A9",
        ] {
            assert_eq!(check_segments(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn a_page_hides_no_other_path() {
        for (path, problem) in [
            ("/a/../b", MalformedUri::DotSegment),
            ("/%2e%2E/b", MalformedUri::DotSegment),
            ("/a%2f..", MalformedUri::DotSegment),
            ("/..%2fb", MalformedUri::DotSegment),
            ("/a%2F%2e%2e%2Fb", MalformedUri::DotSegment),
            ("/a%2f.%2fb", MalformedUri::DotSegment),
            ("/..%3bx%2fb", MalformedUri::DotSegment),
            ("/..%3Fx", MalformedUri::DotSegment),
            ("/a%2F..%23", MalformedUri::DotSegment),
            ("/%252e%252e/b", MalformedUri::DotSegment),
            ("/a%252f..%252fb", MalformedUri::DotSegment),
            ("/%25%32%65%25%32%65/b", MalformedUri::DotSegment),
            ("/%25252e%25252e/b", MalformedUri::DotSegment),
            ("/%E2%80%A4%E2%80%A4/b", MalformedUri::DotSegment),
            ("/a%EF%BC%8F..", MalformedUri::DotSegment),
            ("/%EF%BC%852e%EF%BC%852e/b", MalformedUri::DotSegment),
            ("/a%5Cb", MalformedUri::EncodedDelimiter),
            ("/a%255cb", MalformedUri::EncodedDelimiter),
            ("/a%EF%BC%BCb", MalformedUri::EncodedDelimiter),
            ("/a%00b", MalformedUri::EncodedControl),
            ("/a%2500b", MalformedUri::EncodedControl),
            ("/a%0d%0aX:%20y", MalformedUri::EncodedControl),
            ("/a%c2%85", MalformedUri::EncodedControl),
            ("/a%E2%80%AEb", MalformedUri::EncodedControl),
            ("/%c0%ae%c0%ae/", MalformedUri::EncodedNotUtf8),
            ("/a%25252525252fb", MalformedUri::EncodedTwice),
        ] {
            assert_eq!(check_segments(path), Err(problem), "{path}");
        }
    }
}
