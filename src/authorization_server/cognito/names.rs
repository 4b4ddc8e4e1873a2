//! What an app client is called in the user pool: the client's own name as far as AWS takes it, and what the gateway finds it by. Pure.

use unicode_normalization::UnicodeNormalization as _;

/// AWS's longest `ClientName`, in characters; only ASCII is left here.
pub(super) const LONGEST: usize = 128;

/// What stands before the name of the registration.
const MARK: &str = "dcr-";

/// What a client without a name is called.
const NAMELESS: &str = "client";

/// `ClientName`: the name, made to fit `[\w\s+=,.@-]+`, and the registration it came by. Whoever looks at the pool sees which clients are
/// the gateway's, and finds the one of a registration that was broken off.
pub(super) fn client_name(asked: Option<&str>, registration: &str) -> String {
    with_mark(asked, &format!("{MARK}{registration}"))
}

/// The name of a client that is changed: the mark it has stays.
pub(super) fn renamed(asked: Option<&str>, current: &str) -> String {
    match current.rsplit(' ').next().filter(|last| last.starts_with(MARK)) {
        Some(mark) => with_mark(asked, mark),
        None => fitted(asked.unwrap_or_default(), LONGEST),
    }
}

/// Whether a gateway made the client.
pub(super) fn is_marked(name: &str) -> bool {
    name.rsplit(' ').next().is_some_and(|last| last.starts_with(MARK))
}

fn with_mark(asked: Option<&str>, mark: &str) -> String {
    let room = LONGEST.saturating_sub(mark.len() + 1);
    format!("{} {mark}", fitted(asked.unwrap_or_default(), room))
}

/// Letters lose their accents, whatever else AWS refuses becomes a hyphen.
fn fitted(name: &str, longest: usize) -> String {
    let mut fitted = String::with_capacity(name.len().min(longest));
    for character in name.nfkd().filter(|character| !unicode_normalization::char::is_combining_mark(*character)) {
        let fits = character.is_ascii_alphanumeric() || " _+=,.@-".contains(character);
        let character = if fits { character } else { '-' };
        if character == '-' && fitted.ends_with('-') {
            continue;
        }
        if fitted.len() == longest {
            break;
        }
        fitted.push(character);
    }
    let trimmed = fitted.trim_matches([' ', '-']);
    if trimmed.is_empty() { NAMELESS.to_owned() } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRATION: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_name_keeps_what_aws_takes_of_it() {
        for (asked, fits) in [
            ("Claude Code (acme)", "Claude Code -acme"),
            ("Bob's <app> é/ü", "Bob-s -app- e-u"),
            ("a+b=c,d.e@f_g-h", "a+b=c,d.e@f_g-h"),
            ("日本", "client"),
            ("  ", "client"),
            ("tab\tand\nline", "tab-and-line"),
        ] {
            assert_eq!(fitted(asked, 91), fits, "{asked}");
        }
        assert_eq!(fitted("", 91), "client");
    }

    #[test]
    fn a_name_carries_its_registration_however_long_it_is() {
        let name = client_name(Some(&"x".repeat(500)), REGISTRATION);
        assert_eq!(name.len(), LONGEST);
        assert!(name.ends_with(" dcr-0123456789abcdef0123456789abcdef"));
        assert_eq!(client_name(None, "r"), "client dcr-r");
    }

    #[test]
    fn a_client_that_is_renamed_keeps_its_mark() {
        assert_eq!(renamed(Some("New"), "Old one dcr-ab12"), "New dcr-ab12");
        assert_eq!(renamed(None, "Old one dcr-ab12"), "client dcr-ab12");
        assert_eq!(renamed(Some("New"), "made by hand"), "New", "a client that was taken in has no mark");
    }
}
