//! The chunked coding of a request's body (RFC 9112 §7.1), byte by byte, before Pingora decodes it: where it ends, and whether two parsers
//! could read it differently. Pure; by the grammar, and less: no space before an extension, no trailer without a name.

use super::framing::is_token;

/// Bytes of one chunk's first line, its extension included. Nobody has a use for extensions.
const MAX_LINE: usize = 256;
/// Digits of a size, leading zeros among them: as many as 64 bits have.
const MAX_DIGITS: usize = 16;
/// Bytes of all trailers together.
const MAX_TRAILERS: usize = 8 * 1024;

/// What two parsers could read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chunks of the body are not as RFC 9112 writes them")]
pub(super) struct BrokenChunks;

/// How far a body has been read.
#[derive(Debug, Default)]
pub(super) struct ChunkScanner {
    at: At,
    /// Of the present chunk, as far as it was read.
    size: u64,
    /// Bytes since the present line began; of trailers, since they did.
    read: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    #[default]
    Size,
    Extension,
    SizeEnd,
    Data(u64),
    DataEnd,
    DataLineEnd,
    TrailerOrEnd,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    LastEnd,
    Done,
}

impl ChunkScanner {
    /// Whether the body has ended.
    pub(super) fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Reads on; how many of the bytes belong to the body.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<usize, BrokenChunks> {
        let mut taken = 0;
        while taken < bytes.len() && !self.is_done() {
            match self.at {
                At::Data(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - taken);
                    taken += here;
                    let left = left - here as u64;
                    self.at = if left == 0 { At::DataEnd } else { At::Data(left) };
                }
                _ => {
                    self.at = self.after(bytes[taken])?;
                    taken += 1;
                }
            }
        }
        Ok(taken)
    }

    fn after(&mut self, byte: u8) -> Result<At, BrokenChunks> {
        let has_digits = self.read > 0;
        self.read += 1;
        let next = match (self.at, byte) {
            (At::Size, b'\r') if has_digits => At::SizeEnd,
            (At::Size, b';') if has_digits => At::Extension,
            (At::Size, digit) if self.read <= MAX_DIGITS => {
                let digit = char::from(digit).to_digit(16).ok_or(BrokenChunks)?;
                self.size = self.size << 4 | u64::from(digit);
                At::Size
            }
            (At::Extension, b'\r') => At::SizeEnd,
            (At::Extension, byte) if self.read <= MAX_LINE && is_text(byte) => At::Extension,
            (At::SizeEnd, b'\n') => {
                self.read = 0;
                match std::mem::take(&mut self.size) {
                    0 => At::TrailerOrEnd,
                    size => At::Data(size),
                }
            }
            (At::DataEnd, b'\r') => At::DataLineEnd,
            (At::DataLineEnd, b'\n') => {
                self.read = 0;
                At::Size
            }
            (At::TrailerOrEnd, b'\r') => At::LastEnd,
            (At::LastEnd, b'\n') => At::Done,
            (At::TrailerName, b':') => At::TrailerValue,
            (At::TrailerOrEnd | At::TrailerName, byte) if self.read <= MAX_TRAILERS && is_token(&[byte]) => {
                At::TrailerName
            }
            (At::TrailerValue, b'\r') => At::TrailerEnd,
            (At::TrailerValue, byte) if self.read <= MAX_TRAILERS && is_text(byte) => At::TrailerValue,
            (At::TrailerEnd, b'\n') => At::TrailerOrEnd,
            _ => return Err(BrokenChunks),
        };
        Ok(next)
    }
}

/// No control character but the tab.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes belong to the body, however they come.
    fn scan(body: &str) -> Result<Option<usize>, BrokenChunks> {
        let mut whole = ChunkScanner::default();
        let at_once = whole.scan(body.as_bytes()).map(|taken| whole.is_done().then_some(taken));
        let mut piecewise = ChunkScanner::default();
        let mut taken = 0;
        for byte in body.as_bytes() {
            match piecewise.scan(&[*byte]) {
                Ok(more) => taken += more,
                Err(error) => {
                    assert_eq!(at_once, Err(error), "{body:?}");
                    return at_once;
                }
            }
        }
        assert_eq!(at_once, Ok(piecewise.is_done().then_some(taken)), "{body:?}");
        at_once
    }

    #[test]
    fn finds_the_end_of_a_body() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "0000000005\r\nhello\r\n00\r\n\r\n",
            "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
            "5;name=value;other=\"v w\"\r\nhello\r\n0;last\r\n\r\n",
            "2\r\n\r\n\r\n0\r\n\r\n",
            "5\r\nhello\r\n0\r\nX-Trailer: y\r\nX-Empty:\r\n\r\n",
        ] {
            assert_eq!(scan(body), Ok(Some(body.len())), "{body:?}");
            assert_eq!(
                scan(&format!("{body}GET / HTTP/1.1\r\n")),
                Ok(Some(body.len())),
                "{body:?}, and another request"
            );
        }
    }

    #[test]
    fn waits_for_more() {
        for body in ["", "5", "5\r\nhel", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "ffffffffffffffff\r\nhello"] {
            assert_eq!(scan(body), Ok(None), "{body:?}");
        }
    }

    #[test]
    fn refuses_what_two_parsers_could_read_differently() {
        for body in [
            "\r\nhello\r\n0\r\n\r\n",
            "z\r\n",
            "+5\r\n",
            "-5\r\n",
            "0x5\r\n",
            "5_0\r\n",
            " 5\r\n",
            "5 \r\n",
            "5\t\r\n",
            "5 ;a=b\r\n",
            "10000000000000005\r\n",
            "00000000000000005\r\n",
            "5\nhello\n",
            "5\r\r\n",
            "5;a\nb\r\n",
            "5;a\rb\r\n",
            "5;a\0b\r\n",
            ";a\r\n",
            "5\r\nhello, world\r\n",
            "5\r\nhello0\r\n",
            "5\r\nhello\n0\r\n",
            "0\r\n\n",
            "0\n\r\n",
            "0\r\nX-Trailer\r\n\r\n",
            "0\r\n: y\r\n\r\n",
            "0\r\nX : y\r\n\r\n",
            "0\r\nX: y\r\n folded\r\n\r\n",
            "0\r\nX: y\nZ: a\r\n\r\n",
            "0\r\nX: y\rZ: a\r\n\r\n",
        ] {
            assert_eq!(scan(body), Err(BrokenChunks), "{body:?}");
        }
    }

    #[test]
    fn lines_and_trailers_have_an_end() {
        assert_eq!(scan(&format!("5;{}\r\n", "a".repeat(300))), Err(BrokenChunks));
        assert_eq!(scan(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(2000))), Err(BrokenChunks));
        assert!(scan(&format!("5;{}\r\n", "a".repeat(200))).is_ok());
    }
}
