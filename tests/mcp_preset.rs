//! What real MCP clients send registers unchanged under the `mcp` preset; somebody else under their names does not.

use std::fs;
use std::path::Path;

use dcr_gateway::policy::{Clearance, Profile, ProfileSettings, RuleName, Verdict, judge};
use dcr_gateway::registration::{ClientMetadata, json};
use serde_json::{Value, json};

fn preset() -> Profile {
    let settings: ProfileSettings = serde_yaml::from_str("{name: agents, preset: mcp, match: {}}").unwrap();
    Profile::compile(&settings).unwrap()
}

fn judge_body(profile: &Profile, body: &Value) -> Verdict {
    let members = json::parse(&serde_json::to_vec(body).unwrap()).unwrap();
    judge(profile, &ClientMetadata::from_json(members))
}

fn admitted(name: &str, profile: &Profile, body: &Value) -> Clearance {
    judge_body(profile, body).result.unwrap_or_else(|violations| panic!("{name}: {violations:#?}"))
}

fn fixtures() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clients");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let read = |file: &std::path::PathBuf| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_slice(&fs::read(file).unwrap()).unwrap())
    };
    files.iter().map(read).collect()
}

fn fixture(name: &str) -> Value {
    fixtures().into_iter().find(|(file, _)| file == name).unwrap().1
}

#[test]
fn every_real_client_is_admitted_with_what_it_asked_for() {
    let profile = preset();
    let all = fixtures();
    assert!(all.len() >= 19, "fixtures are missing");
    for (name, body) in all {
        let clearance = admitted(&name, &profile, &body);
        for (member, asked) in body.as_object().unwrap() {
            if member != "scope" {
                assert_eq!(clearance.metadata().get(member), Some(asked), "{name}: {member}");
            }
        }
        assert_eq!(clearance.redirect_uris().len(), body["redirect_uris"].as_array().unwrap().len(), "{name}");
        assert!(clearance.dropped_redirect_uris().is_empty(), "{name}");
    }
}

#[test]
fn scopes_are_defaulted_when_none_are_asked_and_trimmed_when_too_many_are() {
    let profile = preset();
    for (name, granted) in [
        ("claude_code", "openid"),
        ("claude_code_native", "openid profile email offline_access"),
        ("claude_ai_confidential", "openid"),
        ("claude_desktop", "openid"),
        ("vscode_2025", "openid profile"),
        ("mcp_inspector", "openid"),
        ("sdk_typescript_2", "openid offline_access"),
        ("sdk_python", "openid offline_access"),
    ] {
        let clearance = admitted(name, &profile, &fixture(name));
        assert_eq!(clearance.metadata()["scope"], granted, "{name}");
    }
}

#[test]
fn an_operator_adds_a_scope_of_the_mcp_server() {
    let yaml = "{name: agents, preset: mcp, match: {}, scopes: {allowed: [openid, offline_access, 'mcp:tools']}}";
    let profile = Profile::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap();
    let clearance = admitted("sdk_python", &profile, &fixture("sdk_python"));
    assert_eq!(clearance.metadata()["scope"], "openid mcp:tools offline_access");
}

#[test]
fn native_is_sent_for_clients_that_do_not_say_it() {
    let profile = preset();
    for name in ["claude_code", "cursor", "vscode_2025", "lm_studio", "mcp_inspector", "opencode"] {
        assert_eq!(admitted(name, &profile, &fixture(name)).metadata()["application_type"], "native", "{name}");
    }
    for name in ["claude_ai", "chatgpt_stable"] {
        assert!(!admitted(name, &profile, &fixture(name)).metadata().contains_key("application_type"), "{name}");
    }
}

#[test]
fn the_python_sdk_is_confidential_because_it_names_no_method() {
    let clearance = admitted("sdk_python", &preset(), &fixture("sdk_python"));
    assert_eq!(clearance.metadata()["token_endpoint_auth_method"], "client_secret_basic");
}

#[test]
fn a_vendors_name_needs_the_vendors_callback() {
    // The operator also allows a partner's host; that does not make the partner Claude.
    let yaml =
        "{name: agents, preset: mcp, match: {}, redirect_uris: {https: [{host: claude.ai}, {host: partner.example}]}}";
    let profile = Profile::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap();
    let body = |name: &str, uris: Value| json!({"client_name": name, "redirect_uris": uris, "token_endpoint_auth_method": "none"});
    for name in [
        "Claude",
        "claude",
        "Сlaude",
        "Cl\u{200b}aude",
        "Official Claude",
        "CLAUDE-CODE",
        "Cursor",
        "ChatGPT",
        "VSCode",
        "V S Code",
    ] {
        let verdict = judge_body(&profile, &body(name, json!(["https://partner.example/cb"])));
        let violations = verdict.result.expect_err(name);
        assert!(violations.iter().all(|violation| violation.rule == RuleName::ClientName), "{name}: {violations:#?}");
    }
    for uris in [
        json!(["https://claude.ai/api/mcp/auth_callback", "https://partner.example/cb"]),
        json!(["https://partner.example/cb"]),
    ] {
        assert!(judge_body(&profile, &body("Claude", uris)).result.is_err());
    }
    for (name, uris) in [
        ("Claudette", json!(["https://partner.example/cb"])),
        ("Cursory Reader", json!(["https://partner.example/cb"])),
        ("Partner Portal", json!(["https://partner.example/cb"])),
        ("Claude", json!(["http://127.0.0.1:1234/cb"])),
        ("Claude", json!(["https://claude.ai/api/mcp/auth_callback"])),
    ] {
        admitted(name, &profile, &body(name, uris));
    }
}

#[test]
fn a_name_in_another_language_is_a_name() {
    let yaml = "{name: agents, preset: mcp, match: {}, redirect_uris: {https: [{host: partner.example}]}}";
    let profile = Profile::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap();
    let body = json!({"client_name": "Partner", "client_name#de": "Cl\u{430}ude", "redirect_uris": ["https://partner.example/cb"]});
    let violations = judge_body(&profile, &body).result.unwrap_err();
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].place, "client_name#de");
}

#[test]
fn a_foreign_host_is_refused_whatever_the_name() {
    for (name, mut body) in fixtures() {
        for foreign in
            ["https://evil.example/callback", "https://claude.ai.evil.example/api/mcp/auth_callback", "evil://callback"]
        {
            body["redirect_uris"][0] = foreign.into();
            let violations = judge_body(&preset(), &body).result.expect_err(&name);
            assert!(violations.iter().any(|violation| violation.place == "redirect_uris[0]"), "{name} {foreign}");
        }
    }
}

#[test]
fn a_vendors_host_gives_nothing_but_its_callback() {
    for uri in [
        "https://claude.ai/share/anything",
        "https://claude.ai/api/mcp/auth_callback/../../evil",
        "https://chatgpt.com/connector/oauth/",
        "https://chatgpt.com/connector/oauth/a/b",
        "https://vscode.dev/redirect/evil",
        "cursor://anysphere.cursor-mcp/oauth/callback/x",
    ] {
        let body = json!({"client_name": "App", "redirect_uris": [uri], "token_endpoint_auth_method": "none"});
        assert!(judge_body(&preset(), &body).result.is_err(), "{uri}");
    }
}
