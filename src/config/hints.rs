//! What to write instead of what was not understood.

use super::place::Place;

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

/// The hint for a value that was not understood, by what is said of it.
pub(super) fn for_bad_value(reason: &str) -> String {
    if reason.ends_with("where a text is expected") && (reason.starts_with("a number") || reason.starts_with("a truth"))
    {
        return "put it in quotes".to_owned();
    }
    if reason == "invalid socket address syntax" {
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
    fn nothing_is_guessed_where_nothing_is_near() {
        assert_eq!(for_unknown_key(&Place::root().key("zebra"), &["name", "match"]), "known here: name, match");
    }
}
