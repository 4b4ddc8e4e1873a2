//! When a `client_id` is a URL, and names a client ID metadata document: as the most generous reader of URLs takes it. Pure.

/// Whether readers of URLs leave this out: a tab or an end of line anywhere (WHATWG URL §4.4), in front whatever nobody sees
/// (`String.trim` takes off more than ASCII has).
pub fn is_left_out(byte: u8, before: &[u8]) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r') || (before.is_empty() && !byte.is_ascii_graphic())
}

/// Whether this, with nothing in it that is left out, is how a URL begins.
pub fn begins_a_url(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(b"http:") || text.eq_ignore_ascii_case(b"https:")
}

/// Whether the client is named by a URL.
pub fn is_url(client_id: &str) -> bool {
    let mut read = Vec::new();
    client_id.bytes().any(|byte| {
        if !is_left_out(byte, &read) {
            read.push(byte);
        }
        begins_a_url(&read)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_named_by_a_url_where_some_reader_takes_it_for_one() {
        for url in
            ["https://a.example/c", "HTTP:x", "ht\ntps://a", " \u{1}https://a", "\u{a0}https://a", "\u{feff}h\rttp:"]
        {
            assert!(is_url(url), "{url:?}");
        }
        for name in ["", "abc", "https", "a https://a", "httpsx:", "com.example:/cb"] {
            assert!(!is_url(name), "{name:?}");
        }
    }
}
