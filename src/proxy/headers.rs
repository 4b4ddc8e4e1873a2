//! Which request headers are never believed, which the gateway sets instead, and which of an answer are the server's own connection's. Pure.
//! A trusted proxy's forwarding headers are read before (`identity.rs`); they, too, go no further.

use std::borrow::Cow;
use std::net::IpAddr;

use base64::Engine as _;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};

use crate::registrant::forwarded_certificate;

/// RFC 9440 §2.1.
pub(super) const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");

/// Headers by which proxies tell who the client is or what it wanted, in the spelling with hyphens; besides those that carry its
/// certificate in a form that we read.
const IDENTITY: &[&str] = &[
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "client-ip",
    "proxy-client-ip",
    "fly-client-ip",
    "x-cluster-client-ip",
    "x-originating-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-access-authenticated-user-email",
    "fastly-client-ip",
    "x-proxyuser-ip",
    "x-appengine-user-ip",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-remote-addr",
    "x-remote-ip",
    "x-remote-user",
    "x-authenticated-user",
    "x-authenticated-userid",
    "x-webauth-user",
    "x-arr-clientcert",
    "x-arr-ssl",
    "x-certificate",
    "cert",
    "x-original-url",
    "x-original-uri",
    "x-original-host",
    "x-original-forwarded-for",
    "x-vercel-forwarded-for",
    "x-vercel-proxied-for",
    "x-rewrite-url",
    "x-host",
    "x-http-host-override",
    "x-scheme",
    "x-url-scheme",
    "front-end-https",
    // By these another method is asked for than the one that was looked at here.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    // RFC 3875 §4.1.18 turns it into HTTP_PROXY (httpoxy).
    "proxy",
    // W3C baggage would cross the border of trust; traceparent may (docs/telemetry.md).
    "baggage",
];

const IDENTITY_PREFIXES: &[&str] = &[
    "x-forwarded-",
    "x-ssl-",
    "ssl-client",
    "x-client-cert",
    "x-client-verify",
    "x-client-dn",
    "x-tls-client",
    "tls-client",
    "x-amzn-mtls-",
    "x-amzn-oidc-",
    "x-envoy-",
    "x-auth-request-",
    "x-ms-client-principal",
    "x-goog-authenticated-user-",
    "x-authentik-",
    // Authelia and others that sign users in.
    "remote-",
    // Cloudflare's, of client certificates.
    "cf-client-cert",
    "cf-cert-",
    // WebLogic's, WebSphere's, WebSEAL's, SiteMinder's and Oracle Access Manager's own.
    "wl-proxy-",
    "$ws",
    "iv-",
    "sm-",
    "oam-",
];

/// How all of the above begin, and nearly nothing that a browser sends does: it is asked of every header of every request.
const BEGINNINGS: [[u8; 2]; 19] = [
    *b"x-", *b"$w", *b"ba", *b"ce", *b"cf", *b"cl", *b"fa", *b"fl", *b"fo", *b"fr", *b"iv", *b"oa", *b"pr", *b"re",
    *b"sm", *b"ss", *b"tl", *b"tr", *b"wl",
];

/// Headers that decide framing or authority. Spelt with underscores they are others, but not for every server behind (CGI, WSGI).
const NEVER_WITH_UNDERSCORE: &[&str] = &[
    "content-length",
    "transfer-encoding",
    "host",
    "authorization",
    "cookie",
    "connection",
    "te",
    "upgrade",
    "expect",
];

/// Whether a header of this name, in lower case, is taken out of every request.
pub(super) fn is_never_believed(name: &str) -> bool {
    let has_underscore = name.contains('_');
    if !has_underscore && !name.as_bytes().first_chunk().is_some_and(|two| BEGINNINGS.contains(two)) {
        return false;
    }
    let hyphenated = if has_underscore { Cow::Owned(name.replace('_', "-")) } else { Cow::Borrowed(name) };
    IDENTITY.contains(&hyphenated.as_ref())
        || forwarded_certificate::HEADERS.contains(&hyphenated.as_ref())
        || IDENTITY_PREFIXES.iter().any(|prefix| hyphenated.starts_with(prefix))
        || (has_underscore && NEVER_WITH_UNDERSCORE.contains(&hyphenated.as_ref()))
}

/// Hop-by-hop headers (RFC 9110 §7.6.1): what `Connection` names, and those that are always.
fn is_hop_by_hop(name: &str, nominated: &[String]) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    ) || nominated.iter().any(|nominated| nominated == name && !NOT_FOR_NOMINATION.contains(&name))
}

/// A client can name any header in `Connection` to have it taken off on the way. Not these: they carry what is checked.
const NOT_FOR_NOMINATION: &[&str] = &["authorization", "host", "content-type", "content-length", "cookie"];

fn nominated(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

/// Takes off what the server's answer says of its own connection, and writes what is given twice once: the status of HTTP is ours, and so is the
/// length of the body. How the body is framed is Pingora's; to what a server changes (101, 426) the client must read.
pub(super) fn strip_hop_by_hop(answer: &mut ResponseHeader) {
    if answer.version == Version::HTTP_10 {
        answer.set_version(Version::HTTP_11);
    }
    if let Some(length) = answer.headers.get(CONTENT_LENGTH).cloned()
        && answer.headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some()
    {
        let _ = answer.insert_header(CONTENT_LENGTH, length);
    }
    if matches!(answer.status, StatusCode::SWITCHING_PROTOCOLS | StatusCode::UPGRADE_REQUIRED) {
        return;
    }
    let nominated = nominated(&answer.headers);
    let is_ours = |name: &HeaderName| matches!(name.as_str(), "transfer-encoding" | "trailer");
    let left: Vec<HeaderName> = answer
        .headers
        .keys()
        .filter(|name| is_hop_by_hop(name.as_str(), &nominated) && !is_ours(name))
        .cloned()
        .collect();
    for name in &left {
        answer.remove_header(name);
    }
}

/// What a handler sees of the headers: nothing hop-by-hop, nothing that is never believed.
pub(super) fn cleaned(headers: &HeaderMap) -> HeaderMap {
    let nominated = nominated(headers);
    headers
        .iter()
        .filter(|(name, _)| !is_hop_by_hop(name.as_str(), &nominated) && !is_never_believed(name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Changes the head of a request that goes out. Pingora's own methods keep each name's capitals as well, at several times the cost
/// (docs/performance.md): here they are lost. A target that is no URI stays as it came, unless it is changed.
pub(super) fn rewrite<T>(request: &mut RequestHeader, change: impl FnOnce(&mut Parts) -> T) -> pingora::Result<T> {
    let of_uri = request.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let raw = (request.raw_path() != of_uri.as_bytes()).then(|| (request.uri.clone(), request.raw_path().to_vec()));
    let (nothing, ()) = http::Request::new(()).into_parts();
    let mut parts = Parts::from(std::mem::replace(request, nothing.into()));
    let changed = change(&mut parts);
    *request = parts.into();
    if let Some((_, raw)) = raw.filter(|(uri, _)| *uri == request.uri) {
        request.set_raw_path(&raw)?;
    }
    Ok(changed)
}

/// The name under which clients know the authorization server: the host of the public URL. The server must see it, whatever the client wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicName {
    authority: String,
    /// The same, port and scheme as headers: written once, sent with every request.
    authority_value: HeaderValue,
    port_value: HeaderValue,
    scheme_value: HeaderValue,
}

impl PublicName {
    /// Scheme, host and port of `public_url`. `None` when it is no http or https URL with a host.
    pub fn of(public_url: &str) -> Option<Self> {
        let url = url::Url::parse(public_url).ok()?;
        let scheme = match url.scheme() {
            "https" => "https",
            "http" => "http",
            _ => return None,
        };
        // `port()` has none where it is the scheme's own.
        let (host, port) = (url.host_str()?, url.port_or_known_default()?);
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Some(Self {
            authority_value: text_value(&authority),
            port_value: HeaderValue::from(port),
            scheme_value: HeaderValue::from_static(scheme),
            authority,
        })
    }

    /// As in a `Host` header: the port only when it is not the scheme's.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// `Host` and `X-Forwarded-*` of a request to the authorization server; for whom it is is what [`address_value`] says.
    pub(super) fn forwarding_headers(
        &self,
        forwarded_for: Option<HeaderValue>,
    ) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
        const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
        const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
        const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
        let fixed = [
            (http::header::HOST, self.authority_value.clone()),
            (FORWARDED_HOST, self.authority_value.clone()),
            (FORWARDED_PORT, self.port_value.clone()),
            (FORWARDED_PROTO, self.scheme_value.clone()),
        ];
        fixed.into_iter().chain(forwarded_for.map(|address| (FORWARDED_FOR, address)))
    }
}

/// A header value of text that was parsed from a URL or printed by us; empty should it have a character that no header may have.
fn text_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// `X-Forwarded-For`: one address, never a list, for servers disagree about which end of a list to believe.
pub(super) fn address_value(address: IpAddr) -> HeaderValue {
    text_value(&address.to_canonical().to_string())
}

/// `Client-Cert` as RFC 9440 §2.1 writes it: the DER of the certificate as a structured byte sequence.
pub(super) fn client_cert_value(der: &[u8]) -> HeaderValue {
    text_value(&format!(":{}:", base64::engine::general_purpose::STANDARD.encode(der)))
}

/// Several `cookie` fields of an HTTP/2 request as the one that HTTP/1.1 knows (RFC 9113 §8.2.3). `None` when there is nothing to join.
pub(super) fn joined_cookies(headers: &HeaderMap) -> Option<HeaderValue> {
    let cookies: Vec<&[u8]> = headers.get_all(http::header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    (cookies.len() > 1).then(|| HeaderValue::from_bytes(&cookies.join(&b"; "[..])).ok()).flatten()
}

/// Whether the connection is to become a WebSocket, which may be silent for long. No other `Upgrade` goes on, as `h2c` would open a tunnel past
/// every check of ours: Pingora takes them off, by the policy that its peers have (`H1UpgradePolicy::WebSocketOnly`).
pub(super) fn is_websocket_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(http::header::UPGRADE)
        .is_some_and(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// How often the request may go on (RFC 9110 §7.6.2); nothing where it does not say so.
pub(super) fn max_forwards(headers: &HeaderMap) -> Option<u32> {
    headers.get(http::header::MAX_FORWARDS)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn believes_no_identity_header_in_any_spelling() {
        assert!(forwarded_certificate::HEADERS.iter().chain(IDENTITY).all(|name| is_never_believed(name)));
        assert!(IDENTITY_PREFIXES.iter().all(|prefix| is_never_believed(&format!("{prefix}x"))));
        for name in [
            "Client-Cert",
            "client_cert_chain",
            "X-Forwarded-For",
            "X_Forwarded_For",
            "x-forwarded-client-cert",
            "Forwarded",
            "X-Real-IP",
            "X-SSL-Client-S-DN",
            "SSL_CLIENT_CERT",
            "ssl-client-verify",
            "X-Client-Cert",
            "baggage",
            "Transfer_Encoding",
            "Proxy",
            "X-Original-Forwarded-For",
            "X_HTTP_Method_Override",
            "X-Scheme",
            "X-Auth-Request-User",
            "X-MS-CLIENT-PRINCIPAL-ID",
            "Cert",
            "Cf-Client-Cert-Der-Base64",
            "Cf-Cert-Verified",
            "WL-Proxy-Client-Cert",
            "WL-Proxy-SSL",
            "Proxy-Client-IP",
            "$WSCC",
            "$WSRU",
            "iv-user",
            "IV_SERVER_NAME",
            "SM_USER",
            "SM-User",
            "OAM_REMOTE_USER",
            "X-Amzn-Oidc-Identity",
            "Remote-User",
            "Remote-Groups",
            "Client-IP",
            "Fly-Client-IP",
            "X-Vercel-Forwarded-For",
        ] {
            assert!(is_never_believed(&name.to_lowercase()), "{name}");
        }
        for name in [
            "Authorization",
            "traceparent",
            "Cookie",
            "X-Requested-With",
            "x_custom",
            "Content-Type",
            "Host",
            "Referer",
            "Prefer",
            "Priority",
            "Client-Id",
            "CF-Ray",
            "CF-IPCountry",
            "CF-Access-Client-Id",
            "CF-Access-Jwt-Assertion",
            "Fly-Request-Id",
            "X-Amzn-Trace-Id",
            "X-Vercel-Id",
            "If-None-Match",
            "Smtp-Id",
        ] {
            assert!(!is_never_believed(&name.to_lowercase()), "{name}");
        }
    }

    #[test]
    fn an_answer_says_nothing_of_the_servers_own_connection() {
        let mut answer = ResponseHeader::build(200, None).unwrap();
        answer.set_version(Version::HTTP_10);
        for (name, value) in [
            ("connection", "X-Hop, keep-alive"),
            ("keep-alive", "timeout=300"),
            ("upgrade", "h2c"),
            ("te", "x"),
            ("proxy-connection", "close"),
            ("x-hop", "1"),
            ("content-length", "2"),
            ("content-length", "2"),
            ("set-cookie", "a=b"),
        ] {
            answer.append_header(name, value).unwrap();
        }
        strip_hop_by_hop(&mut answer);
        let mut left: Vec<&str> = answer.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "set-cookie"]);
        assert_eq!(answer.headers.get_all(CONTENT_LENGTH).iter().count(), 1);
        assert_eq!(answer.version, Version::HTTP_11);
    }

    #[test]
    fn what_a_server_changes_to_goes_on() {
        for status in [101, 426] {
            let mut answer = ResponseHeader::build(status, None).unwrap();
            answer.append_header("connection", "upgrade").unwrap();
            answer.append_header("upgrade", "websocket").unwrap();
            strip_hop_by_hop(&mut answer);
            assert_eq!(answer.headers.len(), 2);
        }
    }

    #[test]
    fn a_client_cannot_have_its_authorization_taken_off() {
        let mut headers = HeaderMap::new();
        headers.insert("connection", HeaderValue::from_static("close, Authorization, x-mine"));
        headers.insert("authorization", HeaderValue::from_static("Bearer a"));
        headers.insert("x-mine", HeaderValue::from_static("b"));
        let cleaned = cleaned(&headers);
        assert_eq!(cleaned.len(), 1);
        assert!(cleaned.contains_key("authorization"));
    }

    #[test]
    fn a_rewritten_request_keeps_its_target_to_the_octet() {
        for target in [&b"/a?b=%41"[..], b"/a?b=\xff", b"http://a.example/b", b"*"] {
            let mut request = RequestHeader::build("GET", target, None).unwrap();
            request.append_header("X-Two", "1").unwrap();
            rewrite(&mut request, |parts| parts.headers.append("x-two", HeaderValue::from_static("2"))).unwrap();
            assert_eq!(request.raw_path(), target);
            let mut written = Vec::new();
            request.header_to_h1_wire(&mut written);
            assert_eq!(written, b"x-two: 1\r\nx-two: 2\r\n");
        }
        let mut request = RequestHeader::build("GET", b"http://a.example/b", None).unwrap();
        rewrite(&mut request, |parts| parts.uri = "/c".parse().unwrap()).unwrap();
        assert_eq!(request.raw_path(), b"/c");
    }

    #[test]
    fn the_public_name_has_a_port_only_where_it_says_something() {
        assert_eq!(PublicName::of("https://sso.example.com/x").unwrap().authority(), "sso.example.com");
        assert_eq!(PublicName::of("https://sso.example.com:8443").unwrap().authority(), "sso.example.com:8443");
        assert_eq!(PublicName::of("http://[::1]:8080").unwrap().authority(), "[::1]:8080");
        assert_eq!(PublicName::of("ftp://a"), None);
        assert_eq!(PublicName::of("nonsense"), None);
    }

    #[test]
    fn joins_the_cookies_of_an_http_2_request() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_static("a=1"));
        assert_eq!(joined_cookies(&headers), None);
        headers.append("cookie", HeaderValue::from_static("b=2"));
        assert_eq!(joined_cookies(&headers).unwrap(), "a=1; b=2");
    }

    #[test]
    fn writes_a_certificate_as_rfc_9440_does() {
        assert_eq!(client_cert_value(&[0, 1, 2]), ":AAEC:");
    }
}
