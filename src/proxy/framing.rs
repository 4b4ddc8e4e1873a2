//! The head of an HTTP/1.x request, byte by byte, before Pingora sees it: what two parsers could read differently is refused.
//! Pure. Pingora parses the same bytes again; nothing here routes.

use crate::intake::handler::ProtocolRefusal;

/// More header lines than this are answered with 431; Pingora's own limit is 256.
const MAX_HEADER_LINES: usize = 200;

/// How far the bytes received so far go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadProgress {
    /// The head ends here: this many bytes, its empty line included.
    Complete(usize),
    /// More must come.
    Partial,
}

/// Where the request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyLength {
    /// After this many bytes behind the head.
    Exactly(u64),
    /// Its chunks say.
    Chunked,
    /// The connection may become something else.
    Unknown,
}

/// Looks for the end of the head. `from` is how many bytes earlier calls have seen. A line that ends without CR is refused at once
/// (RFC 9112 §2.2 lets a recipient accept it, and then disagree with the next one).
pub(super) fn find_head_end(bytes: &[u8], from: usize) -> Result<HeadProgress, ProtocolRefusal> {
    for at in memchr::memchr_iter(b'\n', &bytes[from..]).map(|at| from + at) {
        if at == 0 || bytes[at - 1] != b'\r' {
            return Err(ProtocolRefusal::Framing("a line of the request head ends without a carriage return"));
        }
        if at >= 3 && bytes[at - 3..=at] == *b"\r\n\r\n" {
            return Ok(HeadProgress::Complete(at + 1));
        }
    }
    Ok(HeadProgress::Partial)
}

/// Judges a complete head.
pub(super) fn check_head(head: &[u8]) -> Result<BodyLength, ProtocolRefusal> {
    let mut lines = head.strip_suffix(b"\r\n\r\n").unwrap_or(head).split(|b| *b == b'\n').map(strip_cr);
    let version = check_request_line(lines.next().unwrap_or_default())?;
    let mut framing = Framing::default();
    for (number, line) in lines.enumerate() {
        if number >= MAX_HEADER_LINES {
            return Err(ProtocolRefusal::HeadTooLarge);
        }
        framing.take_line(line)?;
    }
    framing.check(version)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

fn strip_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn check_request_line(line: &[u8]) -> Result<Version, ProtocolRefusal> {
    let broken = ProtocolRefusal::Framing("the request line is not a method, a target and a version");
    let mut parts = line.split(|b| *b == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(broken);
    };
    if !is_token(method) || target.iter().any(|b| b.is_ascii_control()) {
        return Err(broken);
    }
    if method == b"CONNECT" {
        return Err(ProtocolRefusal::MethodNotAllowed);
    }
    // Origin form, or the asterisk (RFC 9112 §3.2); the absolute form is a proxy's, and names a second host.
    // A fragment is never sent (RFC 9112 §3.2), and parsers cut it off in silence.
    let is_path =
        target.first() == Some(&b'/') && !target.contains(&b'#') && http::uri::PathAndQuery::try_from(target).is_ok();
    let is_asterisk = method == b"OPTIONS" && target == b"*";
    if !is_path && !is_asterisk {
        return Err(ProtocolRefusal::Target);
    }
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        _ => Err(ProtocolRefusal::Framing("the HTTP version is neither 1.0 nor 1.1")),
    }
}

/// What decides where the body ends, and whom the request is for.
#[derive(Debug, Default)]
struct Framing {
    length: u64,
    may_upgrade: bool,
    content_lengths: usize,
    transfer_encodings: usize,
    hosts: usize,
}

impl Framing {
    fn take_line(&mut self, line: &[u8]) -> Result<(), ProtocolRefusal> {
        // A line that begins with white space continues the one before (obs-fold, RFC 9112 §5.2); its name is no token either.
        let Some(colon) = memchr::memchr(b':', line) else {
            return Err(ProtocolRefusal::Framing("a header line has no colon"));
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if !is_token(name) {
            return Err(ProtocolRefusal::Framing("a header name has characters that it may not have"));
        }
        if line[colon..].iter().any(|b| b.is_ascii_control() && *b != b'\t') {
            return Err(ProtocolRefusal::Framing("a header value has a control character"));
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            self.content_lengths += 1;
            let digits = Some(value).filter(|value| value.len() <= 18 && value.iter().all(u8::is_ascii_digit));
            let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            self.length = number.ok_or(ProtocolRefusal::Framing("Content-Length is not one number"))?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.transfer_encodings += 1;
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(ProtocolRefusal::Framing("Transfer-Encoding is not just \"chunked\""));
            }
        } else if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
            if !is_authority(value) {
                return Err(ProtocolRefusal::Host);
            }
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.may_upgrade = true;
        }
        Ok(())
    }

    fn check(&self, version: Version) -> Result<BodyLength, ProtocolRefusal> {
        if self.content_lengths > 1 {
            return Err(ProtocolRefusal::Framing("Content-Length is given more than once"));
        }
        if self.transfer_encodings > 1 {
            return Err(ProtocolRefusal::Framing("Transfer-Encoding is given more than once"));
        }
        if self.content_lengths + self.transfer_encodings > 1 {
            return Err(ProtocolRefusal::Framing("both Content-Length and Transfer-Encoding are given"));
        }
        if self.transfer_encodings > 0 && version == Version::Http10 {
            return Err(ProtocolRefusal::Framing("HTTP/1.0 has no Transfer-Encoding"));
        }
        match (self.hosts, version) {
            (1, _) | (0, Version::Http10) => {}
            _ => return Err(ProtocolRefusal::Host),
        }
        // Nothing that has a body becomes something else; some clients offer it with every request, to plain HTTP/2 say.
        Ok(match (self.transfer_encodings, self.length, self.may_upgrade) {
            (1.., ..) => BodyLength::Chunked,
            (0, 0, true) => BodyLength::Unknown,
            (0, length, _) => BodyLength::Exactly(length),
        })
    }
}

/// A token (RFC 9110 §5.6.2).
pub(super) fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// A host with an optional port (RFC 9112 §3.2): a name, an IPv4 address, or an IPv6 address in brackets. No userinfo, nothing else.
pub(super) fn is_authority(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) if address.parse::<std::net::Ipv6Addr>().is_ok() => return true,
            Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => match port.strip_prefix(':') {
                Some(port) => ("x", Some(port)),
                None => return false,
            },
            _ => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let host_is_fine = !host.is_empty()
        && host.len() <= 255
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let port_is_fine = port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    host_is_fine && port_is_fine
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str) -> Result<BodyLength, ProtocolRefusal> {
        match find_head_end(head.as_bytes(), 0)? {
            HeadProgress::Complete(end) => check_head(&head.as_bytes()[..end]),
            HeadProgress::Partial => panic!("{head:?} has no end"),
        }
    }

    #[test]
    fn accepts_ordinary_requests() {
        for head in [
            "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "GET /a?b=%2F%00&c=ü HTTP/1.1\r\nHost: a.example:8443\r\nAccept: */*\r\nX-Empty:\r\n\r\n",
            "POST /register HTTP/1.1\r\nhost: [::1]:80\r\nContent-Length: 12\r\nX:\ttab\there\r\n\r\n",
            "POST /register HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: Chunked\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a_b.example\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.example\r\nUser-Agent: ü\r\n\r\n",
        ] {
            assert!(check(head).is_ok(), "{head:?}");
        }
    }

    #[test]
    fn refuses_what_two_parsers_could_read_differently() {
        for lines in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: ",
            "Content-Length: 0x5",
            "Content-Length: 9999999999999999999",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding:\x0bchunked",
            "Transfer-Encoding : chunked",
            "X: a\r\n b",
            "X: a\0b",
            "X: a\rb",
            "no colon",
            ": no name",
        ] {
            let head = format!("POST / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n\r\n");
            assert!(matches!(check(&head), Err(ProtocolRefusal::Framing(_))), "{lines:?}");
        }
    }

    #[test]
    fn refuses_a_line_without_carriage_return_wherever_it_is() {
        for head in
            ["GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\n"]
        {
            assert!(find_head_end(head.as_bytes(), 0).is_err(), "{head:?}");
        }
    }

    #[test]
    fn refuses_request_lines_that_are_not_three_words() {
        for line in [
            "GET /",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "G(T / HTTP/1.1",
            "GET / HTTP/2.0",
            "GET /\x01 HTTP/1.1",
            "",
        ] {
            assert!(check(&format!("{line}\r\nHost: a\r\n\r\n")).is_err(), "{line:?}");
        }
    }

    #[test]
    fn refuses_a_missing_doubled_or_odd_host() {
        for lines in [
            "X: y",
            "Host:",
            "Host: a\r\nHost: a",
            "Host: a/b",
            "Host: u@a",
            "Host: a:x",
            "Host: a:99999",
            "Host: a b",
            "Host: [::1",
        ] {
            let head = format!("GET / HTTP/1.1\r\n{lines}\r\n\r\n");
            assert_eq!(check(&head), Err(ProtocolRefusal::Host), "{lines:?}");
        }
    }

    #[test]
    fn knows_where_the_request_ends() {
        let with = |lines: &str| check(&format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
        assert_eq!(with(""), Ok(BodyLength::Exactly(0)));
        assert_eq!(with("Content-Length: 12\r\n"), Ok(BodyLength::Exactly(12)));
        assert_eq!(with("Transfer-Encoding: chunked\r\n"), Ok(BodyLength::Chunked));
        assert_eq!(with("Upgrade: websocket\r\n"), Ok(BodyLength::Unknown));
        assert_eq!(with("Upgrade: h2c\r\nContent-Length: 12\r\n"), Ok(BodyLength::Exactly(12)));
        assert_eq!(with("Upgrade: h2c\r\nTransfer-Encoding: chunked\r\n"), Ok(BodyLength::Chunked));
    }

    #[test]
    fn finds_the_end_over_several_reads() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\nwith bare lines";
        assert_eq!(find_head_end(&head[..20], 0), Ok(HeadProgress::Partial));
        assert_eq!(find_head_end(head, 20), Ok(HeadProgress::Complete(27)));
    }
}
