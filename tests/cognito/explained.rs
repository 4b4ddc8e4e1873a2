//! `explain` shows what AWS would be sent, and what it would not.

use std::process::Command;

use serde_json::{Value, json};

const CONFIG: &str = r#"
public_url: https://auth.example.com
listeners: [{ address: "127.0.0.1:0" }]
authorization_server:
  kind: cognito
  issuer: https://auth.example.com
  url: https://acme.auth.eu-central-1.amazoncognito.com
  cognito: { user_pool_id: eu-central-1_x }
profiles:
  - name: partners
    match: {}
    initial_access_token: off
    redirect_uris: { https: [{ host: app.example.com }] }
    scopes: { initial: [openid], allowed: [openid, nonsense] }
    limits: { rate: 1/s, burst: 5, total: { live_clients: 9 } }
"#;

fn explained(scope: &str) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let (config, request) = (directory.path().join("config.yaml"), directory.path().join("request.json"));
    std::fs::write(&config, CONFIG).unwrap();
    let asked = json!({
        "redirect_uris": ["https://app.example.com/cb"], "client_name": "Orders (acme)", "scope": scope,
        "token_endpoint_auth_method": "none",
    });
    std::fs::write(&request, asked.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dcr-gateway"));
    let done = command.args(["--json", "explain", "--config"]).arg(&config).arg(&request).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{told}"))
}

#[test]
fn the_call_is_shown_as_aws_would_get_it() {
    let explained = explained("openid");
    assert_eq!(explained["decision"], "admit");
    let upstream = &explained["upstream"];
    assert_eq!(upstream["method"], "CreateUserPoolClient");
    assert_eq!(upstream["url"], "https://cognito-idp.eu-central-1.amazonaws.com");
    assert_eq!(upstream["body"]["ClientName"], "Orders -acme dcr-<registration>");
    assert_eq!(upstream["body"]["GenerateSecret"], false);
    let rule = explained["rules"].as_array().unwrap().last().unwrap();
    assert_eq!(rule["rule"], "authorization_server");
    assert_eq!(rule["violations"], json!([]));
}

#[test]
fn a_rule_of_aws_refuses_before_anything_is_sent() {
    let explained = explained("nonsense");
    assert_eq!(explained["decision"], "refuse");
    assert_eq!(explained["violations"][0]["rule"], "authorization_server");
    assert_eq!(explained["upstream"], Value::Null);
}
