//! What a page takes apart before it opens one of the parts: lists, texts of JSON, forms within forms, `token|url`.

use crate::parameter_name::is_nothing;

/// What parts the entries of a list, JSON's texts, the pairs of a form within a form, and what pages pack into one value.
const PARTING: [char; 10] = [',', '"', '\'', '&', '=', '|', ';', '~', '^', '`'];

/// What does so only right before a URL that is written out: `alice@mail.example.org:993` and `f(/x)` are ordinary.
const BEFORE_A_URL: [char; 7] = ['!', '$', '@', '(', '[', '{', '<'];

/// What ends a part besides. Not `@`, which may stand in the URL.
const CLOSING: [char; 10] = ['!', '$', '(', '[', '{', '<', ')', ']', '}', '>'];

/// The parts of a text behind its first. One behind white space, or with white space before it, stands in a sentence.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    let begins = text.match_indices(|c: char| PARTING.contains(&c) || BEFORE_A_URL.contains(&c));
    begins.flat_map(|(at, mark)| {
        let rest = &text[at + mark.len()..];
        let is_looser = mark.starts_with(BEFORE_A_URL);
        let begins = !rest.starts_with(is_nothing)
            && (!is_looser || begins_with_a_url(rest) && !text[..at].ends_with(char::is_whitespace));
        let end = rest.find(|c: char| PARTING.contains(&c) || CLOSING.contains(&c)).unwrap_or(rest.len());
        [Some(&rest[..end]), with_user(rest)].into_iter().flatten().filter(move |_| begins)
    })
}

fn begins_with_a_url(text: &str) -> bool {
    ["https:", "http:"].iter().any(|scheme| text.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme)))
}

/// The URL up to its path, where it names a user: what parts may stand there, `https://app.example.com;@evil.com`.
fn with_user(text: &str) -> Option<&str> {
    let slashes = text.as_bytes().windows(2).take(7).position(|pair| pair == b"//")? + 2;
    let end = text[slashes..].find(['/', '?', '#']).map_or(text.len(), |at| slashes + at);
    text[slashes..end].contains('@').then_some(&text[..end])
}
