//! How the parameters in a body are written, by its media type as any of the frameworks behind us may read it; and when a name is the one that is
//! looked for. Pure.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::parameter_name::as_read;

/// How the parameters in a body are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameters {
    /// As a form.
    Form,
    /// As the members of a JSON object.
    Json,
    /// In a way that servers read and this gateway does not, or in several at once.
    Unread,
    /// Nobody reads any of it.
    None,
}

/// What is in the names of the types that are forms. The second is of browsers long gone, and still read (Werkzeug before 3).
const FORMS: [&str; 2] = ["urlencoded", "url-encoded"];
/// What is in the names of other types of which frameworks make parameters.
const UNREAD: [&str; 5] = ["multipart", "xml", "yaml", "msgpack", "cbor"];
/// Those in which a name in ASCII is the same octets; none of it is the default.
const CHARSETS: [&str; 12] = [
    "",
    "utf-8",
    "utf8",
    "utf_8",
    "us-ascii",
    "ascii",
    "iso-8859-1",
    "iso8859-1",
    "iso-8859-15",
    "latin1",
    "windows-1252",
    "cp1252",
];

impl Parameters {
    /// In a body with these headers. One without a media type may be a form.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let types = types(headers);
        let has = |parts: &[&str]| types.iter().any(|text| parts.iter().any(|part| text.contains(part)));
        let is_foreign = types.iter().any(|text| has_foreign_charset(text));
        match (are_of_a_form(&types), has(&["json"])) {
            _ if has(&UNREAD) => Self::Unread,
            (true, true) => Self::Unread,
            (true, false) | (false, true) if is_foreign => Self::Unread,
            (true, false) => Self::Form,
            (false, true) => Self::Json,
            (false, false) => Self::None,
        }
    }
}

/// Whether a body with these headers may be a form, whatever else it may be.
pub(super) fn may_be_form(headers: &HeaderMap) -> bool {
    are_of_a_form(&types(headers))
}

fn are_of_a_form(types: &[String]) -> bool {
    types.iter().all(|text| text.trim().is_empty())
        || types.iter().any(|text| FORMS.iter().any(|form| text.contains(form)))
}

fn types(headers: &HeaderMap) -> Vec<String> {
    let types = headers.get_all(CONTENT_TYPE).iter();
    types.map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase()).collect()
}

fn has_foreign_charset(text: &str) -> bool {
    let parameters = text.split([';', ',']).filter_map(|parameter| parameter.split_once('='));
    let mut charsets = parameters.filter(|(name, _)| name.trim() == "charset").map(|(_, value)| value);
    charsets.any(|value| !CHARSETS.contains(&value.trim().trim_matches(['"', '\''])))
}

/// Whether a server may take the name for this one, be it one that was cut off in its brackets.
pub(super) fn is_named(name: &[u8], wanted: &str) -> bool {
    let name = String::from_utf8_lossy(name);
    as_read(&name) == wanted || name.split_once('[').is_some_and(|(entry, _)| as_read(entry) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(values: &[&'static str]) -> Parameters {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_TYPE, HeaderValue::from_static(value));
        }
        Parameters::of(&headers)
    }

    #[test]
    fn knows_how_the_parameters_of_a_body_are_written() {
        for form in ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; charset=UTF-8", "", " "] {
            assert_eq!(of(&[form]), Parameters::Form, "{form}");
        }
        assert_eq!(of(&[]), Parameters::Form);
        assert_eq!(of(&["application/x-url-encoded"]), Parameters::Form);
        assert_eq!(of(&["application/json"]), Parameters::Json);
        assert_eq!(of(&["application/vnd.acme+json; charset=\"utf-8\""]), Parameters::Json);
        for other in ["text/plain", "application/octet-stream", "application/jwt", "text/plain; charset=utf-16"] {
            assert_eq!(of(&[other]), Parameters::None, "{other}");
        }
    }

    #[test]
    fn what_servers_read_and_we_do_not_or_otherwise_is_unread() {
        for unread in [
            "multipart/form-data; boundary=x",
            "Multipart/Mixed; boundary=application/x-www-form-urlencoded",
            "application/json; x=x-www-form-urlencoded",
            "application/xml",
            "application/x-www-form-urlencoded; charset=utf-16",
            "application/x-www-form-urlencoded;Charset = \"IBM037\"",
            "application/json; charset=utf-32",
        ] {
            assert_eq!(of(&[unread]), Parameters::Unread, "{unread}");
        }
        assert_eq!(of(&["application/json", "application/x-www-form-urlencoded"]), Parameters::Unread);
        assert_eq!(of(&["text/plain", "multipart/form-data"]), Parameters::Unread);
    }

    #[test]
    fn a_name_is_the_same_where_some_server_takes_it_for_the_same() {
        for name in ["client_id", "Client.ID", "client[id", "client_id[]", "client_id[aaaaaaaaaaaaaaaaaaa"] {
            assert!(is_named(name.as_bytes(), "client_id"), "{name}");
        }
        for name in ["clientid", "client_ids", "x[client_id]", ""] {
            assert!(!is_named(name.as_bytes(), "client_id"), "{name}");
        }
    }

    #[test]
    fn a_charset_in_which_ascii_is_ascii_is_read() {
        for charset in ["latin1", "iso-8859-15", "CP1252", "utf_8", ""] {
            let mut headers = HeaderMap::new();
            let value = format!("application/x-www-form-urlencoded; charset={charset}");
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(&value).unwrap());
            assert_eq!(Parameters::of(&headers), Parameters::Form, "{charset}");
        }
    }
}
