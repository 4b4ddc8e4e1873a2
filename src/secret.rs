//! Secrets that cannot be printed: no `Display`, a `Debug` that hides, comparison in constant time, wiped on drop. And URLs that
//! can be, without the user that they may name.

use std::path::Path;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const LINE_BREAKS: [char; 2] = ['\r', '\n'];

/// A text that must never reach a log, a trace, an answer or an error message.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text into custody.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Reads a file that has nothing else in it: its text, without the line break at its end.
    ///
    /// # Errors
    /// A sentence about the file, never its content.
    pub fn read(file: &Path) -> Result<Self, String> {
        let secret = Self::read_lines(file)?;
        if secret.expose().contains(LINE_BREAKS) {
            return Err("the file has a line break within the secret".to_owned());
        }
        Ok(secret)
    }

    /// As [`Secret::read`], where each line is a secret of its own: line breaks stay in it.
    ///
    /// # Errors
    /// A sentence about the file, never its content.
    pub fn read_lines(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map(Zeroizing::new);
        let text = text.map_err(|error| format!("the file cannot be read: {error}"))?;
        let text = text.trim_end_matches(LINE_BREAKS);
        match text {
            text if text.trim().is_empty() => Err("the file is empty".to_owned()),
            text if text.contains(|one: char| one.is_control() && !LINE_BREAKS.contains(&one)) => {
                Err("the file has a control character within the secret".to_owned())
            }
            text => Ok(Self::new(text)),
        }
    }

    /// The text itself, for the one place that has to send or hash it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The text with `instead` in place of the user and the password of the URL that it is; none: it names neither.
pub fn without_user(text: &str, instead: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, _) = authority.rsplit_once('@')?;
    Some(format!("{scheme}://{instead}{}", &rest[user.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_a_url_is_taken_out_where_it_stands() {
        for (text, expected) in [
            ("http://user:hunter2@collector:4317/a@b", "http://-@collector:4317/a@b"),
            // Also where the same letters stand elsewhere, and where there are none.
            ("https://s@h", "https://-@h"),
            ("https://@h", "https://-@h"),
            ("https://a@b@h?c@d", "https://-@h?c@d"),
        ] {
            assert_eq!(without_user(text, "-").as_deref(), Some(expected), "{text}");
        }
        for text in ["https://h/a@b", "ada@example.com", "urn:a@b", ""] {
            assert_eq!(without_user(text, "-"), None, "{text}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert!(!format!("{:?}", Secret::new("hunter2")).contains("hunter2"));
    }

    #[test]
    fn a_secret_is_what_the_file_holds_without_the_line_break_at_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            std::fs::write(directory.path().join("secret"), text).unwrap();
            Secret::read(&directory.path().join("secret"))
        };
        assert_eq!(read(" hunter2\r\n"), Ok(Secret::new(" hunter2")));
        assert_eq!(read(" \n"), Err("the file is empty".to_owned()));
        assert!(read("hunter2\nhunter3\n").is_err_and(|error| error.contains("line break")));
        assert!(read("hunter2\thunter3\n").is_err_and(|error| error.contains("control character")));
        assert!(Secret::read(&directory.path().join("other")).is_err_and(|error| error.contains("cannot be read")));
    }

    #[test]
    fn a_file_of_several_secrets_keeps_its_line_breaks_and_nothing_else_that_does_not_print() {
        let directory = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            std::fs::write(directory.path().join("secrets"), text).unwrap();
            Secret::read_lines(&directory.path().join("secrets"))
        };
        assert_eq!(read("hunter2\r\nhunter3\n"), Ok(Secret::new("hunter2\r\nhunter3")));
        assert_eq!(read("\n \n"), Err("the file is empty".to_owned()));
        assert!(read("hunter2\n\0hunter3\n").is_err_and(|error| error.contains("control character")));
    }

    #[test]
    fn secrets_compare_by_content() {
        assert_eq!(Secret::new("a"), Secret::new("a"));
        assert_ne!(Secret::new("a"), Secret::new("ab"));
    }
}
