//! What to write instead of what was not understood.

use std::io::ErrorKind;

use super::place::Place;

/// Rust's words for types, as people say them.
pub(super) fn plain_words(expected: &str) -> String {
    match expected {
        "a string" | "path string" => "a text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number".to_owned(),
        "f64" => "a number".to_owned(),
        "socket address" => "an IP address and a port".to_owned(),
        "a nonzero u32" => "a whole number above 0".to_owned(),
        other if other.starts_with("struct ") => "a mapping".to_owned(),
        other if other.starts_with("enum ") => "a word".to_owned(),
        other => other.to_owned(),
    }
}

/// What Rust's library says, as people say it.
pub(super) fn plain_reason(said: String) -> String {
    match said.as_str() {
        "invalid socket address syntax" => NO_SOCKET_ADDRESS.to_owned(),
        _ => said,
    }
}

/// What is said where an address and a port should stand.
const NO_SOCKET_ADDRESS: &str = "is not an IP address and a port";

/// The hint for a key nobody knows at its place.
pub(super) fn for_unknown_key(place: &Place, known: &[&str]) -> String {
    let path = place.keys();
    let key = path.rsplit('.').next().unwrap_or_default();
    match nearest(key, known) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None if known.is_empty() => String::new(),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// The hint for a file that cannot be read.
pub(super) fn for_unreadable_file(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidData => "save it as UTF-8",
        ErrorKind::PermissionDenied => "run it as a user who may read the file",
        _ => "name the file with --config",
    }
}

/// Reason and hint for what the parser of YAML says. Some of it is YAML, and cannot be a configuration.
pub(super) fn for_yaml(said: &str) -> (String, String) {
    let (reason, hint) = if said.starts_with("duplicate entry") {
        (format!("a key stands twice: {said}"), "")
    } else if said.contains("more than one document") {
        ("there is more than one document: `---` or `...` stands in the middle".to_owned(), "take it out")
    } else if said.contains("invalid type: integer") {
        ("a number is too large".to_owned(), "put it in quotes, if it is a text")
    } else if said.contains("repetition limit") {
        ("aliases repeat too much".to_owned(), "write out what they stand for")
    } else if said.contains("did not find expected key") || said.contains("mapping values are not allowed") {
        (format!("this is not YAML: {said}"), "is the line indented as its neighbours are?")
    } else {
        (format!("this is not YAML: {said}"), "")
    };
    (reason, hint.to_owned())
}

/// The hint for a value that was not understood, by what is said of it.
pub(super) fn for_bad_value(reason: &str) -> String {
    if reason.ends_with("where an IP address and a port is expected") {
        return "write it in quotes, with a port: \"127.0.0.1:8080\"".to_owned();
    }
    if reason.ends_with("where a text is expected") && (reason.starts_with("a number") || reason.starts_with("a truth"))
    {
        return "put it in quotes".to_owned();
    }
    if reason == NO_SOCKET_ADDRESS {
        return "write an IP address and a port, like 127.0.0.1:8080 or [::1]:8080".to_owned();
    }
    let Some((found, words)) = reason.split_once(" is not one of ") else { return String::new() };
    let words: Vec<&str> = words.split(", ").collect();
    nearest(found.trim_matches('"'), &words).map(|nearest| format!("did you mean {nearest}?")).unwrap_or_default()
}

/// The candidate that differs in the fewest letters, when these are few for its length.
fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(&word.to_lowercase(), candidate);
    let nearest = candidates.iter().copied().min_by_key(|candidate| distance(candidate))?;
    (distance(nearest) <= (nearest.len() / 3).max(1)).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_gets_the_key_that_was_meant() {
        let place = Place::root().key("profiles").index(0).key("redirect_urls");
        assert_eq!(for_unknown_key(&place, &["name", "redirect_uris"]), "did you mean redirect_uris?");
    }

    #[test]
    fn what_is_yaml_and_no_configuration_is_not_called_otherwise() {
        assert!(for_yaml("duplicate entry with key \"a\"").0.starts_with("a key stands twice"));
        assert!(for_yaml("invalid type: integer `1000` as u128, expected any YAML value").0.contains("too large"));
        assert!(for_yaml("did not find expected key at line 3 column 5").1.contains("indented"));
    }

    #[test]
    fn nothing_is_guessed_where_nothing_is_near() {
        assert_eq!(for_unknown_key(&Place::root().key("zebra"), &["name", "match"]), "known here: name, match");
    }
}
