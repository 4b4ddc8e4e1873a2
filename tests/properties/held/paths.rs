//! Paths: what the gateway forwards as somebody else's is no spelling of the registration endpoint to any server behind it.

use std::sync::OnceLock;

use dcr_gateway::authorization_server::client_endpoints::{ClientEndpointSettings, ClientEndpoints};
use dcr_gateway::authorization_server::paths::{PathTable, Route};
use dcr_gateway::authorization_server::settings::Kind;
use dcr_gateway::proxy::route_of_path;

use super::choice;

/// One server, the registration endpoint it has, and where its clients get tokens.
struct Server {
    paths: PathTable,
    registration: &'static str,
    token: &'static str,
}

fn servers() -> &'static [Server; 3] {
    static SERVERS: OnceLock<[Server; 3]> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let server = |kind, issuer_path, registration, token: &'static str| {
            let settings =
                ClientEndpointSettings { token: vec![token.to_owned()], ..ClientEndpointSettings::default() };
            let paths = PathTable::new(kind, issuer_path, registration).expect("a table");
            let paths = paths.with_clients(ClientEndpoints::new(kind, issuer_path, &settings));
            Server { paths, registration, token }
        };
        let keycloak = "/realms/acme/clients-registrations/openid-connect";
        [
            server(Kind::Keycloak, "/realms/acme", keycloak, "/realms/acme/protocol/openid-connect/token"),
            server(Kind::Rfc7591, "", "/register", "/token"),
            server(Kind::Cognito, "", "/register", "/oauth2/token"),
        ]
    })
}

/// The property. The first byte chooses the server, the next two how it reads paths, the rest is the path.
pub fn holds(input: &[u8]) -> bool {
    let Some((chosen, rest)) = choice(input) else { return false };
    let Some((reading, path)) = rest.split_first_chunk::<2>() else { return false };
    let Ok(path) = std::str::from_utf8(path) else { return false };
    let server = &servers()[usize::from(chosen) % 3];
    let route = route_of_path(&server.paths, path);
    match &route {
        Ok(Route::Registration) => assert_eq!(path, server.registration),
        Ok(Route::Management { client_id }) => assert_eq!(path, format!("{}/{client_id}", server.registration)),
        Ok(Route::Discovery(_)) => assert!(path.contains("/.well-known/"), "{path}"),
        Ok(Route::Other | Route::Client(_)) => {
            let read = read_by_a_server(path, u16::from_be_bytes(*reading));
            let is_below =
                |read: &str| read == server.registration || read.starts_with(&format!("{}/", server.registration));
            assert!(!is_below(&read), "{path} is forwarded, and some server reads {read}");
            // Clients that were suspended are refused there, in any spelling.
            assert!(
                read != server.token || route != Ok(Route::Other),
                "{path} is nobody's, and some server reads {read}"
            );
            return true;
        }
        Ok(Route::NotOffered | Route::Misspelt) | Err(_) => {}
    }
    false
}

/// What some servers do with a path before they compare it, five of these in some order.
const READINGS: [fn(&str) -> String; 9] = [
    |path| path.to_owned(),
    percent_decoded,
    |path| path.replace('\\', "/"),
    |path| path.to_lowercase(),
    // Matrix parameters (Jakarta's), a query that was hidden, the end of a C text.
    |path| {
        path.split('/')
            .map(|segment| segment.split([';', '?', '#', '\0']).next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("/")
    },
    |path| format!("/{}", path.split('/').filter(|segment| !segment.is_empty()).collect::<Vec<_>>().join("/")),
    dots_removed,
    |path| path.trim().trim_end_matches('/').to_owned(),
    without_its_end,
];

/// The end of a file's name on Windows, of a pattern, of a representation (Spring's suffix patterns).
fn without_its_end(path: &str) -> String {
    let (above, mut name) = path.rsplit_once('/').unwrap_or(("", path));
    name = name.split("::$").next().unwrap_or_default();
    while let Some(shorter) = [".json", ".xml", ".", "*"].into_iter().find_map(|end| name.strip_suffix(end)) {
        name = shorter;
    }
    format!("{above}/{name}")
}

fn read_by_a_server(path: &str, reading: u16) -> String {
    // Nine to the fifth is just below the most that the number can be.
    (0..5).fold(path.to_owned(), |path, step| READINGS[usize::from(reading / 9_u16.pow(step) % 9)](&path))
}

/// RFC 3986 §5.2.4: empty segments are segments.
fn dots_removed(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

fn percent_decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 3;
            }
            (byte, _, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
