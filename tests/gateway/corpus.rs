//! The corpora: tables of requests in `corpus/`, each group with what is expected of the gateway and why.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::Post;

/// The profiles of `corpus/gateway.yaml` that need a token.
pub const WITH_TOKEN: [&str; 4] = ["partners", "native", "machines", "regulated"];

/// Requests that are alike: one of the tables, and what is expected of each entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    group: String,
    why: String,
    /// Every entry is tried under each of these.
    profiles: Vec<String>,
    #[serde(default)]
    expect: Expect,
    /// Members that are in the ordinary body of every entry.
    #[serde(default)]
    beside: Map<String, Value>,
    /// Redirect URIs, each alone in an otherwise ordinary body.
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// Values of one member, each in an otherwise ordinary body.
    values: Option<Values>,
    /// Members that are put into an ordinary body.
    #[serde(default)]
    members: Vec<Map<String, Value>>,
    /// Whole bodies.
    #[serde(default)]
    bodies: Vec<Value>,
    /// Whole bodies as text: `{members}` stands for the members of an ordinary one, `{large}` for 64 KiB.
    #[serde(default)]
    texts: Vec<String>,
    /// Whole bodies in hexadecimal, `{body}` standing for an ordinary one.
    #[serde(default)]
    bytes: Vec<String>,
    /// Header lines that are added to an ordinary request; `{large}` and `{many}` stand for more than anybody reads.
    #[serde(default)]
    headers: Vec<String>,
    /// Whole requests: `{token}`, `{body}`, `{length}` and `{chunks}` stand for what an ordinary one has.
    #[serde(default)]
    requests: Vec<String>,
    /// Request targets of otherwise ordinary requests.
    #[serde(default)]
    targets: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    member: String,
    of: Vec<Value>,
}

/// What is expected, beyond the verdict that the whole corpus is about.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The status of the answer.
    pub status: Option<u16>,
    /// A rule that must be among those violated.
    pub rule: Option<String>,
    /// The request may be admitted, but nothing that holds this text, in whatever case, reaches the authorization server.
    pub without: Option<String>,
    /// Members that are registered otherwise than they were asked for, `null` for those left out.
    pub changed: Map<String, Value>,
}

/// One request.
#[derive(Debug)]
pub struct Case {
    /// The group, the profile, and what distinguishes it.
    pub name: String,
    pub profile: String,
    pub expect: Expect,
    pub request: Vec<u8>,
    /// What was asked for, where the body is one that every reader reads alike.
    pub asked: Option<Map<String, Value>>,
}

/// What an ordinary client of the profile sends.
pub fn ordinary_body(profile: &str) -> Map<String, Value> {
    let body = match profile {
        "partners" => json!({"client_name": "Orders", "redirect_uris": ["https://app.example.com/callback"]}),
        "native" => json!({
            "client_name": "Notes",
            "redirect_uris": ["http://127.0.0.1:51004/callback"],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
        }),
        "machines" => {
            json!({"client_name": "Nightly batch", "grant_types": ["client_credentials"], "scope": "jobs:run"})
        }
        "regulated" => json!({
            "client_name": "Accounts",
            "redirect_uris": ["https://app.example.com/callback"],
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "PS256",
            "jwks_uri": "https://app.example.com/jwks.json",
        }),
        _ => json!({
            "client_name": "Example MCP Client",
            "redirect_uris": ["http://127.0.0.1:33418/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }),
    };
    serde_json::from_value(body).unwrap()
}

/// The cases of every file in `corpus/<directory>`. `tokens` gives the token of a profile.
pub fn read(directory: &str, token: &dyn Fn(&str) -> Option<String>) -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/corpus").join(directory);
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let groups: Vec<Group> =
            serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for group in groups {
            assert!(!group.why.is_empty(), "{}", group.group);
            let before = cases.len();
            for profile in &group.profiles {
                let writer = Writer { group: &group, profile, token: token(profile) };
                cases.extend(writer.cases());
            }
            assert!(cases.len() > before, "{} is empty", group.group);
        }
    }
    cases
}

/// An ordinary request but for its one redirect URI.
pub fn asking_for(profile: &str, redirect_uri: &str, token: Option<&String>) -> Case {
    let mut asked = ordinary_body(profile);
    asked.insert("redirect_uris".to_owned(), json!([redirect_uri]));
    let body = Value::from(asked.clone()).to_string();
    let request = Post { token: token.map(String::as_str), body: body.as_bytes(), ..Post::default() }.bytes();
    let name = format!("{profile} {}", redirect_uri.escape_debug());
    Case { name, profile: profile.to_owned(), expect: Expect::default(), request, asked: Some(asked) }
}

/// Every client in `tests/fixtures/clients`, under the `mcp` profile.
pub fn fixtures() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clients");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let read = |file: std::path::PathBuf| {
        let body = fs::read(&file).unwrap();
        let name = format!("fixture {}", file.file_stem().unwrap().display());
        // A profile trims scopes; that is looked at elsewhere.
        let mut asked: Map<String, Value> = serde_json::from_slice(&body).unwrap();
        asked.remove("scope");
        let request = Post { body: &body, ..Post::default() }.bytes();
        Case { name, profile: "mcp".to_owned(), expect: Expect::default(), request, asked: Some(asked) }
    };
    files.filter(|file| file.extension().is_some_and(|end| end == "json")).map(read).collect()
}

/// Writes the requests of one group for one profile.
struct Writer<'a> {
    group: &'a Group,
    profile: &'a str,
    token: Option<String>,
}

impl Writer<'_> {
    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        let group = self.group;
        let with = |member: &str, value: Value| {
            let mut body = self.ordinary_body();
            body.insert(member.to_owned(), value);
            body
        };
        for uri in &group.redirect_uris {
            cases.push(self.asking(uri, with("redirect_uris", json!([uri]))));
        }
        for value in group.values.iter().flat_map(|values| &values.of) {
            let member = group.values.as_ref().map_or("", |values| &values.member);
            cases.push(self.asking(&value.to_string(), with(member, value.clone())));
        }
        for members in &group.members {
            let mut body = self.ordinary_body();
            body.extend(members.clone());
            cases.push(self.asking(&Value::from(members.clone()).to_string(), body));
        }
        for body in &group.bodies {
            let shown = body.to_string();
            match body {
                Value::Object(members) => cases.push(self.asking(&shown, members.clone())),
                other => cases.push(self.sending(&shown, other.to_string().as_bytes())),
            }
        }
        let body = Value::from(self.ordinary_body()).to_string();
        for text in &group.texts {
            let text = text.replace("{members}", &body[1..body.len() - 1]).replace("{large}", &"x".repeat(64 * 1024));
            cases.push(self.sending(&text, text.as_bytes()));
        }
        for hexadecimal in &group.bytes {
            let spelt: String = body.bytes().map(|byte| format!("{byte:02x}")).collect();
            cases.push(self.sending(hexadecimal, &bytes(&hexadecimal.replace("{body}", &spelt))));
        }
        for headers in &group.headers {
            let many: Vec<String> = (0..201).map(|number| format!("X-{number}: x")).collect();
            let filled = headers.replace("{many}", &many.join("\r\n"));
            let filled = filled.replace("{large}", &format!("X-Large: {}", "x".repeat(32 * 1024)));
            let post = Post { token: self.token.as_deref(), headers: format!("{filled}\r\n"), body: body.as_bytes() };
            cases.push(Case { asked: Some(self.ordinary_body()), ..self.case(headers, post.bytes()) });
        }
        for request in &group.requests {
            let request = self.filled_in(request, &body);
            cases.push(Case { asked: Some(self.ordinary_body()), ..self.case(&request, request.clone().into()) });
        }
        for target in &group.targets {
            let post = Post { token: self.token.as_deref(), body: body.as_bytes(), ..Post::default() }.bytes();
            let request = String::from_utf8(post).unwrap().replacen("/register", target, 1);
            cases.push(Case { asked: Some(self.ordinary_body()), ..self.case(target, request.into()) });
        }
        cases
    }

    fn ordinary_body(&self) -> Map<String, Value> {
        ordinary_body(self.profile).into_iter().chain(self.group.beside.clone()).collect()
    }

    fn asking(&self, shown: &str, asked: Map<String, Value>) -> Case {
        let body = Value::from(asked.clone()).to_string();
        Case { asked: Some(asked), ..self.sending(shown, body.as_bytes()) }
    }

    fn sending(&self, shown: &str, body: &[u8]) -> Case {
        self.case(shown, Post { token: self.token.as_deref(), body, ..Post::default() }.bytes())
    }

    fn case(&self, shown: &str, request: Vec<u8>) -> Case {
        let shown: String = shown.chars().take(160).collect();
        let name = format!("{} [{}] {}", self.group.group, self.profile, shown.escape_debug());
        let (profile, expect) = (self.profile.to_owned(), self.group.expect.clone());
        Case { name, profile, expect, request, asked: None }
    }

    fn filled_in(&self, request: &str, body: &str) -> String {
        let authorization =
            self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let pieces: Vec<String> =
            body.as_bytes().chunks(7).map(|piece| String::from_utf8_lossy(piece).into()).collect();
        let chunks: String = pieces.iter().map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len())).collect();
        request
            .replace("{token}", &authorization)
            .replace("{chunks}", &format!("{chunks}0\r\n\r\n"))
            .replace("{length}", &body.len().to_string())
            .replace("{body}", body)
    }
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<char> = hexadecimal.chars().filter(|digit| !digit.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}
