//! Names of parameters in queries and forms, as the frameworks that read them take them.

/// What nobody sees at the ends of a text, and `trim` of some language takes off.
pub(crate) fn is_nothing(character: char) -> bool {
    character.is_whitespace() || character.is_control() || character == '\u{feff}'
}

/// The name as frameworks read it: `code[]` and `code[0]` are entries of `code`, spaces around it do not count; PHP ends it at a NUL and makes `_`
/// of dots, of spaces and of a bracket that is not closed, and ASP.NET knows no case.
pub(crate) fn as_read(name: &str) -> String {
    let name = name.trim_matches(is_nothing).split('\0').next().unwrap_or_default();
    let name = if name.contains(']') { name.split('[').next().unwrap_or_default() } else { name };
    name.trim_end_matches(is_nothing).replace(['.', ' ', '['], "_").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_one_that_some_framework_makes_of_it() {
        for name in [
            "client_id",
            "Client_ID",
            "client.id",
            " client id",
            "client[id",
            "client_id[]",
            "client_id[0][a]",
            "client_id ",
            "client_id\0x",
            "\u{feff}client_id",
        ] {
            assert_eq!(as_read(name), "client_id", "{name:?}");
        }
        for name in ["clientid", "client_ids", "client-id", "xclient_id", "", "x[client_id]"] {
            assert_ne!(as_read(name), "client_id", "{name:?}");
        }
    }
}
