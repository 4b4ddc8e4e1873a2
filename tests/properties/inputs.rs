//! Makes inputs: pieces that each mean something where they stand, put together nearly as they should be, then changed in a few places.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use crate::held::certificate_headers::{HONEST, escaped_pem};
use crate::held::web_token::KEY_ID;

/// One change of a text.
#[derive(Debug, Clone)]
enum Change {
    Cut(Index, usize),
    Twice(Index, usize),
    Put(Index, Vec<u8>),
    Over(Index, u8),
}

/// `base`, changed in at most `most` places; `pieces` are what is put in. As often as not nothing is changed.
fn changed(
    base: impl Strategy<Value = Vec<u8>>,
    pieces: &'static [&'static str],
    most: usize,
) -> impl Strategy<Value = Vec<u8>> {
    let change = prop_oneof![
        (any::<Index>(), 1..8usize).prop_map(|(at, length)| Change::Cut(at, length)),
        (any::<Index>(), 1..40usize).prop_map(|(at, length)| Change::Twice(at, length)),
        (any::<Index>(), select(pieces)).prop_map(|(at, piece)| Change::Put(at, piece.as_bytes().to_vec())),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Over(at, byte)),
    ];
    let changes = prop_oneof![Just(Vec::new()), vec(change, 1..=most)];
    (base, changes).prop_map(|(mut text, changes)| {
        for change in changes {
            match change {
                Change::Put(at, piece) => {
                    let at = at.index(text.len() + 1);
                    text.splice(at..at, piece);
                }
                _ if text.is_empty() => {}
                Change::Cut(at, length) => {
                    let at = at.index(text.len());
                    text.drain(at..(at + length).min(text.len()));
                }
                Change::Twice(at, length) => {
                    let at = at.index(text.len());
                    let again = text[at..(at + length).min(text.len())].to_vec();
                    text.splice(at..at, again);
                }
                Change::Over(at, byte) => {
                    let at = at.index(text.len());
                    text[at] = byte;
                }
            }
        }
        text
    })
}

const JSON_PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "null",
    "true",
    "1",
    "-0",
    "1e400",
    "1e15",
    "0.1",
    "9007199254740993",
    "123456789012345678901",
    "\"a\":1,",
    "\"a\":1,\"a\":2",
    "\"\\u0061\":1,",
    "\\ud800",
    "\\udc00",
    "\\ud83d\\ude00",
    "\\u0000",
    "\\/",
    "\\x",
    "\u{feff}",
    "\u{a0}",
    "\u{2028}",
    "//",
    "/*",
    "'",
    "NaN",
    "\t",
    "\n",
    " ",
    "\u{0}",
    "{\"a\":",
    "[[[[[[[[[[[[[[[[[[",
];

/// Bodies.
pub fn json_text() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        select(vec!["a", "b", "scope", "redirect_uris", "", "é", "a b"]).prop_map(str::to_owned),
        "\\PC{0,6}"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (1u64 << 52..1 << 54).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e6..1e6).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(6, 24, 4, {
        let name = name.clone();
        move |inside| {
            let object = vec((name.clone(), inside.clone()), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect()));
            prop_oneof![vec(inside, 0..4).prop_map(Value::Array), object]
        }
    });
    let object = vec((name, value), 0..5).prop_map(|members| Value::Object(members.into_iter().collect()));
    let text = (object, any::<bool>()).prop_map(|(object, is_pretty)| {
        if is_pretty { serde_json::to_vec_pretty(&object).unwrap() } else { serde_json::to_vec(&object).unwrap() }
    });
    changed(text, JSON_PIECES, 3)
}

const SCHEMES: &[&str] =
    &["https", "http", "HTTPS", "com.example.app", "myapp", "cursor", "javascript", "data", "ftp", ""];
const HOSTS: &[&str] = &[
    "app.example.com",
    "APP.example.com",
    "a.partner.example",
    "partner.example",
    "claude.ai",
    "localhost",
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[2001:DB8::1]",
    "xn--mnchen-3ya.example",
    "app.example.com.",
    "app.example.com@evil.example",
    "evil.example",
    "",
    "app.example.com%2eevil.example",
    "2130706433",
    "anysphere.cursor-mcp",
];
const PATHS: &[&str] = &[
    "",
    "/",
    "/callback",
    "/oauth/callback",
    "/oauth/../callback",
    "/a//b",
    "/%2e%2e/a",
    "/a%2fb",
    "/a;b",
    "/a%20b",
    "/caf%C3%A9",
    "/oauth/callback/",
    "/api/mcp/auth_callback",
];
const ENDS: &[&str] = &["", "?", "?a=b", "?a=b&c=%20", "?next=https://evil.example", "#", "#a", "?a#b"];
const URI_PIECES: &[&str] = &[
    "@",
    ":",
    "/",
    "\\",
    "//",
    ".",
    "..",
    "?",
    "#",
    "%",
    "%2f",
    "%2e",
    "%5c",
    "%00",
    "%0d%0a",
    "%25",
    "%2525",
    "%40",
    "*",
    ";",
    "evil.example",
    "[",
    "]",
    "\t",
    " ",
    "\u{3002}",
    "\u{ff0f}",
    "\u{200b}",
    "\u{130}",
    "443",
    "0",
    "&",
    "=",
    "xn--",
    "%c0%af",
    "|",
    "^",
    "'",
    "{",
    "<",
];

fn plain_uri() -> impl Strategy<Value = String> {
    let port = select(vec!["", "", "", ":443", ":8443", ":80", ":51004", ":0", ":65536", ":0443", ":"]);
    (
        select(SCHEMES),
        select(vec!["://", "://", "://", ":/", ":", ":///"]),
        select(HOSTS),
        port,
        select(PATHS),
        select(ENDS),
    )
        .prop_map(|(scheme, slashes, host, port, path, end)| format!("{scheme}{slashes}{host}{port}{path}{end}"))
}

/// Redirect URIs. Bytes that are no text are not tried: JSON has none.
pub fn uri() -> impl Strategy<Value = String> {
    let good = (select(&HOSTS[..6]), select(&PATHS[..4]), select(&ENDS[..4]))
        .prop_map(|(host, path, end)| format!("https://{host}{path}{end}"));
    let base = prop_oneof![good, plain_uri()].prop_map(String::into_bytes);
    changed(base, URI_PIECES, 2).prop_map(|text| String::from_utf8_lossy(&text).into_owned())
}

/// A value that the member might have.
fn member() -> impl Strategy<Value = (String, Value)> {
    let list = |values: &'static [&'static str]| vec(select(values), 0..4).prop_map(Value::from);
    let text = |values: &'static [&'static str]| select(values).prop_map(Value::from);
    let named =
        |name: &'static str, value: BoxedStrategy<Value>| value.prop_map(move |value| (name.to_owned(), value)).boxed();
    let uris = vec(prop_oneof![3 => select(GOOD_URIS).prop_map(str::to_owned), 1 => uri()], 0..4)
        .prop_map(Value::from)
        .boxed();
    let names = ["Orders", "Cl\u{430}ude", "Claude", "Example Bank", "", "\u{202e}a", "a\u{0}b", "N\u{fc}tzlich"];
    let number = prop_oneof![Just(3600u64), any::<u64>(), Just((1 << 53) + 1)].prop_map(Value::from);
    let urls = [
        "https://app.example.com/x",
        "http://app.example.com/",
        "javascript:alert(1)",
        "https://evil.example/",
        "https://169.254.169.254/",
    ];
    let urls = select(urls.to_vec()).prop_map(Value::from);
    let method =
        text(&["none", "client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth", "other"]);
    let grants = list(&["authorization_code", "refresh_token", "client_credentials", "implicit", "password", ""]);
    let responses = list(&["code", "code id_token", "id_token code", "token", "none"]);
    let scopes = text(&[
        "openid",
        "openid profile",
        "orders:write openid",
        "jobs:run",
        "admin",
        "openid openid",
        "a  b",
        "\"",
        "offline_access",
    ]);
    let octets = |length: usize| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(vec![0xc3; length]);
    // Of two large factors, as far as anybody sees.
    let modulus = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([vec![0xc3; 255], vec![0x13]].concat());
    let keys = [
        json!({"keys": [{"kty": "RSA", "n": modulus, "e": "AQAB", "kid": "1", "extra": 0.1}]}),
        json!({"keys": [{"kty": "RSA", "n": octets(256), "e": "AQAB", "d": octets(256)}]}),
        json!({"keys": [{"kty": "oct", "k": octets(32)}]}),
        json!({"keys": []}),
    ];
    let any_name = "[a-z_]{1,12}(#[a-zA-Z-]{1,6})?";
    prop_oneof![
        3 => named("redirect_uris", uris.clone()),
        1 => named("post_logout_redirect_uris", uris),
        2 => named("client_name", select(names.to_vec()).prop_map(Value::from).boxed()),
        1 => named("client_name#de", select(names.to_vec()).prop_map(Value::from).boxed()),
        2 => named("token_endpoint_auth_method", method.boxed()),
        2 => named("grant_types", grants.boxed()),
        1 => named("response_types", responses.boxed()),
        2 => named("scope", scopes.boxed()),
        1 => named("default_max_age", number.boxed()),
        1 => named("client_uri", urls.clone().boxed()),
        1 => named("jwks_uri", urls.clone().boxed()),
        1 => named("request_uris", vec(urls, 0..3).prop_map(Value::from).boxed()),
        1 => named("jwks", select(keys.to_vec()).boxed()),
        1 => named("application_type", text(&["web", "native", "other"]).boxed()),
        1 => named("contacts", list(&["ops@app.example.com", "", "a\nb"]).boxed()),
        1 => named("require_auth_time", any::<bool>().prop_map(Value::from).boxed()),
        1 => named("id_token_signed_response_alg", text(&["RS256", "none", "ES256", "HS256"]).boxed()),
        1 => named("client_id", text(&["chosen"]).boxed()),
        1 => (any_name, select(vec![json!("x"), json!(1), json!(null), json!([]), json!({"a": 1})])),
    ]
}

const GOOD_URIS: &[&str] = &[
    "https://app.example.com/callback",
    "https://a.partner.example/oauth/callback",
    "https://a.partner.example:8443/oauth/callback",
    "http://127.0.0.1:51004/callback",
    "http://localhost/callback",
    "http://[::1]:4711/",
    "com.example.app:/callback",
    "io.example.notes:/oauth/callback",
    "https://claude.ai/api/mcp/auth_callback",
    "cursor://anysphere.cursor-mcp/oauth/callback",
];

/// What an ordinary client of each profile of the corpus says, in the order of the profiles.
fn ordinary() -> Vec<Value> {
    vec![
        json!({"client_name": "Orders", "redirect_uris": ["https://app.example.com/callback"]}),
        json!({"redirect_uris": ["http://127.0.0.1:51004/callback"], "token_endpoint_auth_method": "none", "application_type": "native"}),
        json!({"client_name": "Nightly batch", "grant_types": ["client_credentials"], "scope": "jobs:run"}),
        json!({"redirect_uris": ["https://app.example.com/callback"], "token_endpoint_auth_method": "private_key_jwt",
               "token_endpoint_auth_signing_alg": "PS256", "jwks_uri": "https://app.example.com/jwks.json"}),
        json!({"client_name": "Example MCP Client", "redirect_uris": ["http://127.0.0.1:33418/callback"],
               "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none"}),
    ]
}

/// An ordinary request of the first profile with that `default_max_age`.
pub fn with_max_age(number: &str) -> String {
    ordinary()[0].to_string().replacen('{', &format!("{{\"default_max_age\":{number},"), 1)
}

/// The repository's root, above `fuzz/` as well.
fn repository() -> PathBuf {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.find(|folder| folder.join("tests/fixtures/clients").is_dir()).unwrap().to_owned()
}

/// The entries of that name in one table of the hostile corpus.
fn hostile(table: &str, entries: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join("tests/gateway/corpus/hostile").join(table)).unwrap();
    let groups: Vec<serde_yaml::Value> = serde_yaml::from_str(&text).unwrap();
    let entries = groups.iter().filter_map(|group| group[entries].as_sequence()).flatten();
    entries.filter_map(|entry| entry.as_str()).map(str::to_owned).collect()
}

/// Redirect URIs that would hand somebody's code to somebody else.
pub fn hostile_uris() -> Vec<String> {
    hostile("redirect_uris.yaml", "redirect_uris")
}

/// Bodies that two parsers read differently.
pub fn hostile_bodies() -> Vec<String> {
    let ordinary = ordinary()[0].to_string();
    let members = ordinary.trim_matches(['{', '}']);
    hostile("json.yaml", "texts").iter().map(|text| text.replace("{members}", members)).collect()
}

/// An ordinary request of the first profile but for its redirect URI.
pub fn asking_for(redirect_uri: &str) -> String {
    json!({"client_name": "Orders", "redirect_uris": [redirect_uri]}).to_string()
}

/// The bodies of the clients in `tests/fixtures/clients`.
pub fn real_clients() -> Vec<String> {
    let folder = repository().join("tests/fixtures/clients");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

fn body(profile: usize) -> impl Strategy<Value = Vec<u8>> {
    let members = vec(member(), 0..4).prop_map(move |members| {
        let mut body: Map<String, Value> = ordinary()[profile].as_object().unwrap().clone();
        body.extend(members);
        Value::from(body).to_string().into_bytes()
    });
    let members = members.boxed();
    let rarely_changed = prop_oneof![3 => members.clone(), 1 => changed(members, JSON_PIECES, 2).boxed()];
    let real = select(real_clients()).prop_map(String::into_bytes);
    prop_oneof![4 => rarely_changed, 1 => changed(real, JSON_PIECES, 2)]
}

/// A world and a body.
pub fn registration() -> impl Strategy<Value = Vec<u8>> {
    (0..5usize, 0..3u8).prop_flat_map(|(profile, kind)| {
        let world = u8::try_from(profile).unwrap() * 3 + kind;
        body(profile).prop_map(move |body| [&[world], &body[..]].concat())
    })
}

/// A world, a token, a media type and a body.
pub fn request() -> impl Strategy<Value = Vec<u8>> {
    let types = select(vec![
        "application/json",
        "application/json",
        "application/json",
        "application/json",
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=utf-16",
        "text/plain",
        "",
    ]);
    (0..5usize, 0..2u8, select(vec![0u8, 1, 2, 2, 2, 2, 2]), types).prop_flat_map(
        |(profile, kind, token, media_type)| {
            let world = u8::try_from(profile).unwrap() * 3 + kind;
            body(profile).prop_map(move |body| [&[world, token], media_type.as_bytes(), b"\0", &body[..]].concat())
        },
    )
}

/// What `web_token::holds` takes.
pub fn web_token() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "\"alg\":\"none\",",
        "\"alg\":\"RS256\",",
        "\"alg\":\"HS256\",",
        "\"crit\":[\"exp\"],",
        "\"kid\":\"r\",",
        "\"kid\":\"n\",",
        "\"kid\":1,",
        "\"b64\":false,",
        "\"exp\":1,",
        "\"aud\":[\"dcr\"],",
        "\"iss\":\"\",",
        ".",
        "=",
        "e30",
        "\0",
    ];
    let header = json!({"alg": "EdDSA", "kid": KEY_ID}).to_string();
    let date = || 1_699_999_000u64..1_700_001_000;
    let claims = (date(), date(), select(vec!["dcr", "other"]), -0.5..0.5f64).prop_map(|(exp, iat, aud, part)| {
        #[allow(clippy::cast_precision_loss, reason = "a date")]
        let exp = if part > 0.0 { json!(exp as f64 + part) } else { json!(exp) };
        json!({"iss": "https://idp.example", "aud": aud, "exp": exp, "iat": iat}).to_string().into_bytes()
    });
    let halves = (changed(Just(header.into_bytes()), PIECES, 1), changed(claims, PIECES, 1));
    let halves = halves.prop_map(|(header, claims)| [&header[..], b"\0", &claims[..]].concat()).boxed();
    let text = "[A-Za-z0-9_=-]{0,30}(\\.[A-Za-z0-9_=-]{0,30}){0,3}".prop_map(String::into_bytes);
    let keys = json_text();
    prop_oneof![
        text.prop_map(|rest| [&[0], &rest[..]].concat()),
        halves.clone().prop_map(|rest| [&[1], &rest[..]].concat()),
        halves.clone().prop_map(|rest| [&[1], &rest[..]].concat()),
        (any::<[u8; 2]>(), select(b"AZaz09-_.=+/ \n".to_vec()), halves).prop_map(|(at, byte, rest)| [
            &[2],
            &at[..],
            &[byte],
            &rest[..]
        ]
        .concat()),
        keys.prop_map(|keys| [b"\x03{\"keys\":[", &keys[..], b"]}"].concat()),
    ]
}

/// What `certificate_headers::holds` takes.
pub fn certificate_headers() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "\"",
        "\\",
        "\\\"",
        ",",
        ";",
        "=",
        ":",
        "Cert=",
        "Chain=",
        "Hash=ab;",
        "Subject=\"CN=a\\\"b\";",
        ",Cert=",
        ";Chain=\"",
        "%",
        "%0A",
        "%00",
        "+",
        "\n",
        "\n\0",
    ];
    const OTHER: &[u8] = &[0x30, 0x01, 0x07];
    let sequence = format!(":{}:", STANDARD.encode(OTHER)).into_bytes();
    let pem = escaped_pem(OTHER).into_bytes();
    let element = format!("By=spiffe://p;Hash=00;Cert=\"{}\";Subject=\"CN=x\"", escaped_pem(OTHER)).into_bytes();
    let both = format!("Hash=ab;Chain=\"{}{}\"", escaped_pem(OTHER), escaped_pem(HONEST)).into_bytes();
    // By the order of `HEADERS`.
    let chained = [b"\x00", &sequence[..], b"\n\x01", &sequence[..]].concat();
    let lines = |kind: u8, name: u8, value: Vec<u8>| {
        changed(Just([&[name], &value[..]].concat()), PIECES, 3).prop_map(move |rest| [&[kind], &rest[..]].concat())
    };
    let subject = changed(Just(b"x".to_vec()), PIECES, 4);
    let before = changed(select(vec![element.clone(), both.clone(), b"a=".to_vec(), Vec::new()]), PIECES, 3);
    let nearest = (before, subject).prop_map(|(sent, subject)| {
        let sent: Vec<u8> = sent.into_iter().filter(|byte| *byte != 0).collect();
        [&[3], &sent[..], b"\0", &subject[..]].concat()
    });
    let der = rcgen::generate_simple_self_signed(["app.partner.example".to_owned()]).unwrap().cert.der().to_vec();
    let certificate = changed(Just(der), PIECES, 2).prop_map(|der| [&[4], &der[..]].concat());
    prop_oneof![
        1 => lines(0, 0, sequence),
        1 => changed(Just(chained), PIECES, 2).prop_map(|rest| [&[0], &rest[..]].concat()),
        1 => lines(1, 2, element),
        1 => lines(1, 2, both),
        1 => lines(2, 3, pem),
        3 => nearest,
        1 => certificate,
    ]
}

/// What `paths::holds` takes.
pub fn path() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "/", "//", "/.", "/./", "/../", "/..", "..;/", ";a=b", "%2f", "%2F", "%5c", "%252f", "%2e", "%2e%2e", "%3b",
        "%3f", "%00", "%25", "\\", "?", "#", "%20", "R", "%52", "%c5%bf", "x", "/x/..", "%c0%af", ".json", ".xml", "*",
        "::$DATA",
    ];
    const KNOWN: &[&str] = &[
        "/register",
        "/register/c-1",
        "/realms/acme/clients-registrations/openid-connect",
        "/realms/acme/clients-registrations/default",
        "/realms/acme/protocol/openid-connect/token",
        "/oauth2/token",
        "/token",
        "/oauth2/register",
        "/.well-known/openid-configuration",
        "/a/b",
    ];
    let text = changed(select(KNOWN).prop_map(|path| path.as_bytes().to_vec()), PIECES, 4);
    (0..3u8, any::<[u8; 2]>(), text).prop_map(|(server, reading, path)| [&[server], &reading[..], &path[..]].concat())
}

/// Configurations near `config.yaml` and those of the corpus and the museum of mistakes.
pub fn configuration() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "${SECRET}",
        "${NOT_SET}",
        "$${",
        "${",
        "!tag ",
        "&a ",
        "*a",
        "- ",
        ": ",
        "\n",
        "  ",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        "#",
        "|",
        ">-",
        "null",
        "~",
        "0",
        "-1",
        "1e9",
        "true",
        "off",
        "https://",
        "\u{feff}",
        "\u{85}",
        "\t",
        "\n---\n",
        "\n? ",
        "<<: ",
        "profiles:",
        "name: a",
    ];
    let folder = repository();
    let mut texts =
        vec![include_bytes!("../../config.yaml").to_vec(), include_bytes!("../gateway/corpus/gateway.yaml").to_vec()];
    for museum in ["tests/config/good", "tests/config/bad"] {
        let mut files: Vec<_> = fs::read_dir(folder.join(museum)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        texts.extend(files.iter().map(|file| fs::read(file).unwrap()));
    }
    changed(select(texts), PIECES, 3)
}
