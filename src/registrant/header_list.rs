//! Where the elements of a comma-separated header part, found from the right: only what the nearest proxy appended is to be
//! believed, so nothing that a client put on the left, a quotation mark that does not end say, may change how that is read.

/// The last comma outside quoted strings (RFC 9110 §5.6.4).
pub(super) fn last_comma(line: &[u8]) -> Option<usize> {
    let mut quoted = false;
    for (index, byte) in line.iter().enumerate().rev() {
        match byte {
            b'"' if !is_escaped(&line[..index]) => quoted = !quoted,
            b',' if !quoted => return Some(index),
            _ => {}
        }
    }
    None
}

/// Whether an odd number of backslashes stands before.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_quotes_parts_nothing_and_an_open_quote_on_the_left_changes_nothing() {
        for (line, last) in [
            ("a", None),
            ("a,b", Some(1)),
            (r#"a,"b,c""#, Some(1)),
            (r#"a,"b\",c""#, Some(1)),
            (r#""a,b"#, Some(2)),
            (r#"a,"b\\",c"#, Some(7)),
        ] {
            assert_eq!(last_comma(line.as_bytes()), last, "{line}");
        }
    }
}
