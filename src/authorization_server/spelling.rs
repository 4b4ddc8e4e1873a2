//! How else a path can be written: the one way in which everybody reads it the same, and the form in which all spellings are one.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

use crate::percent::{DECODINGS, percent_decoded};

/// Written in the one way in which everybody reads it the same.
pub(super) fn is_plain(path: &str) -> bool {
    path.starts_with('/')
        && path[1..].split('/').all(|segment| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|b| b.is_ascii_graphic() && !b"%;\\?#".contains(&b))
        })
}

/// A client identifier is VSCHAR (RFC 6749 §2.2); in a segment it may be percent-encoded, but not so that it hides a separator.
pub(super) fn is_client_id_segment(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..") && segment.bytes().all(|b| b.is_ascii_graphic() && !b"/;\\?#".contains(&b)) && {
        let decoded = decode_fully(segment);
        !matches!(decoded.as_ref(), "" | "." | "..")
            && decoded.bytes().all(|b| (0x20..=0x7e).contains(&b) && !b"/\\;".contains(&b))
    }
}

/// The form in which two spellings of one path are the same: decoded until nothing changes, letters as normalising servers read them, backslashes
/// as slashes, path parameters cut off, what servers take off a segment's end taken off, empty and dot segments resolved, lower case. Used to
/// refuse, never to route.
pub(super) fn fold(path: &str) -> String {
    if is_in_words(path) { path.to_ascii_lowercase() } else { fold_decoded(&decoded(path), None) }
}

/// The same path as it is read by who takes its end off a segment that has nothing but dots before it (`...`, `..*`): the segment is nothing, or
/// leads upward. [`fold`] keeps it as a name. None in a path without two dots.
pub(super) fn fold_otherwise(path: &str) -> Option<[String; 2]> {
    // Most paths that are forwarded: nothing in them becomes two dots.
    if path.is_ascii() && !path.contains('%') && !path.contains("..") {
        return None;
    }
    let decoded = decoded(path);
    decoded.contains("..").then(|| ["", ".."].map(|in_doubt| fold_decoded(&decoded, Some(in_doubt))))
}

/// Whether nothing of it is read in several ways but the case of its letters: most paths that are forwarded.
pub(crate) fn is_in_words(path: &str) -> bool {
    let is_word = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'~'))
    };
    path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_word))
}

fn decoded(path: &str) -> String {
    let decoded = decode_fully(path);
    let decoded = if decoded.is_ascii() { decoded } else { Cow::Owned(in_ascii_where_it_can_be(&decoded)) };
    decoded.replace('\\', "/")
}

/// `in_doubt` stands for a segment that may be a name or dots, which else is its own name.
fn fold_decoded(decoded: &str, in_doubt: Option<&str>) -> String {
    let mut segments: Vec<String> = Vec::new();
    for segment in decoded.split('/') {
        // The query may be hidden as %3f, the parameters as %3b, an end of text as %00.
        let end = segment.find([';', '?', '#', '\0']).unwrap_or(segment.len());
        let segment = segment[..end].trim();
        match bare(segment).or(in_doubt).unwrap_or(segment) {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name.to_lowercase()),
        }
    }
    segments.iter().fold(String::new(), |path, segment| path + "/" + segment)
}

/// NFKC, and without what shows nothing; the dotless i is upper case's I.
fn in_ascii_where_it_can_be(text: &str) -> String {
    let shows_nothing =
        |c: char| matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}');
    let letters = text.nfkc().filter(|c| !shows_nothing(*c));
    letters.map(|c| if c == 'ı' { 'i' } else { c }).collect()
}

/// Ends of a segment by which servers choose a representation of what the rest names, as Spring's suffix patterns do.
const REPRESENTATIONS: [&str; 2] = [".json", ".xml"];

/// The segment without what some servers do not read at its end: dots and streams (`::$DATA`) on Windows, the sign of a pattern, the name
/// of a representation. None where only dots, or nothing, would be left of more of them.
fn bare(segment: &str) -> Option<&str> {
    let mut name = segment.find("::$").map_or(segment, |stream| &segment[..stream]);
    loop {
        let end = REPRESENTATIONS.into_iter().find(|end| {
            name.len()
                .checked_sub(end.len())
                .and_then(|at| name.get(at..))
                .is_some_and(|it| it.eq_ignore_ascii_case(end))
        });
        let shorter = name[..name.len() - end.map_or(0, str::len)].trim_end_matches(['.', '*']).trim_end();
        if shorter == name {
            break;
        }
        name = shorter;
    }
    match segment {
        "." | ".." => Some(segment),
        _ if segment.starts_with("..") && matches!(name, "" | "." | "..") => None,
        _ => Some(name),
    }
}

/// Percent-decoding repeated until nothing changes, or as often as anybody does it.
fn decode_fully(text: &str) -> Cow<'_, str> {
    let mut current = Cow::Borrowed(text);
    for _ in 0..DECODINGS {
        match percent_decoded(current.as_bytes()) {
            Cow::Owned(decoded) => current = Cow::Owned(String::from_utf8_lossy(&decoded).into_owned()),
            Cow::Borrowed(_) => break,
        }
    }
    current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_one_path_are_folded_alike() {
        for path in [
            "/a/b",
            "//a/b/",
            "/./a/x/../b",
            "/../a/b",
            "/A/%42",
            "/%2561/b",
            "/a%2fb",
            "/a;x=1/b;y",
            "\\a\\b",
            "/a/b%3fc",
            "/a/b%00c",
            "/a/b%20",
            "/a/b.",
            "/a/b..",
            "/a/b%2e",
            "/a/b.json",
            "/a/b.JSON",
            "/a/b.xml.",
            "/a/b*",
            "/a/b::$DATA",
            "/a./b.json*%20.",
            "/%EF%BD%81/b",
            "/a/b%E2%80%8B",
            "/a/b.;x",
            "/a/b/*",
            "/a/b/.json",
            "/a/b/::$DATA",
            "a/b",
        ] {
            assert_eq!(fold(path), "/a/b", "{path}");
        }
        assert_eq!((fold("").as_str(), fold("/..").as_str()), ("", ""));
        for path in ["/a/b.html", "/a/b.js", "/a/b-json", "/a/bjson", "/a/...", "/a/..*", "/a/b:c"] {
            assert_eq!(fold(path), path, "{path}");
        }
    }

    #[test]
    fn dots_with_an_end_are_a_name_or_nothing_or_lead_upward() {
        for segment in ["...", "..*", "...json", "..::$DATA", "%2e%2e%2a", "%E2%80%A6", "..;x.", ".. ."] {
            let path = format!("/a/b/{segment}");
            let Some(read) = fold_otherwise(&path) else { panic!("{path} is not in doubt") };
            assert_eq!(
                read.each_ref().map(String::as_str),
                if segment == "..;x." { ["/a"; 2] } else { ["/a/b", "/a"] },
                "{path}"
            );
        }
        for path in ["/a/b", "/a/b.js", "/a/*", "/a/./b"] {
            assert_eq!(fold_otherwise(path), None, "{path}");
        }
        assert_eq!(fold_otherwise("/a/../b..c"), Some(["/b..c".to_owned(), "/b..c".to_owned()]));
    }

    proptest::proptest! {
        #[test]
        fn what_is_in_words_is_folded_as_anything_is(path in r"(/[a-zA-Z0-9_~-]{1,8}|[./%2eF;\*:$ éı]){0,6}") {
            proptest::prop_assert_eq!(fold(&path), fold_decoded(&decoded(&path), None));
        }
    }

    #[test]
    fn a_sign_is_no_digit_and_nobody_decodes_six_times() {
        assert_eq!(fold("/a/%252525+A.."), "/a/%+a");
        assert_eq!(fold("/%25252561"), "/a");
        assert_eq!(fold("/%252525252561"), "/%61");
    }
}
