//! What the configurations of the tests have in common, and how one says what it has otherwise.

/// A server behind the gateway (`{upstream}` stands for its address), and of everything else as little as possible.
const BASE: &str = r#"
public_url: https://sso.example.com
listeners: [{ address: 127.0.0.1:0 }]
authorization_server:
  kind: rfc7591
  issuer: https://sso.example.com
  url: http://{upstream}
  registration_path: /register
store: { url: "sqlite://gateway.db" }
admin: { listen: 127.0.0.1:0 }
telemetry: { log: { format: json, level: info } }
"#;

/// The base with a test's own sections, each in place of the base's or after them; what is said of `authorization_server` is added to
/// what the base says.
pub fn on_base(own: &str) -> String {
    let mut all = sections(BASE);
    for (name, lines) in sections(own) {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, base)) if name == "authorization_server" => base.extend(&lines[1..]),
            Some((_, base)) => *base = lines,
            None => all.push((name, lines)),
        }
    }
    let lines: Vec<_> = all.into_iter().flat_map(|(_, lines)| lines).collect();
    lines.join("\n") + "\n"
}

/// The sections with their names: a line that is not indented, and those below it that are.
fn sections(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match sections.last_mut() {
            Some((_, lines)) if line.starts_with(' ') => lines.push(line),
            _ => sections.push((line.split(':').next().unwrap_or(line), vec![line])),
        }
    }
    sections
}
