//! Requests as they were decided, judged again: what is a difference, and what it comes from.

use serde_json::json;

use super::*;
use crate::authorization_server::settings::Kind;
use crate::policy::ProfileSettings;
use crate::registrant::software_statement::StatementIssuers;
use crate::store::{RecordedRegistrant, RecordedToken};

const EVERYBODY: &str = "
- name: everybody
  match: {}
  initial_access_token: off
  redirect_uris: { https: [{ host: app.example.com }] }
  scopes: { initial: [openid], allowed: [profile] }
";

fn recorded(decision: &str, reason: &str, metadata: Value) -> RecordedRequest {
    let is_refused = decision == "refuse";
    RecordedRequest {
        decision: decision.to_owned(),
        reason: reason.to_owned(),
        violations: Vec::new(),
        profile: Some("everybody".to_owned()),
        policy_version: None,
        approval: ApprovalNeeded::None,
        registration: None,
        client_id: None,
        scope_granted: (!is_refused).then(|| "openid".to_owned()),
        scope_withheld: None,
        registrant: RecordedRegistrant {
            key: "address:192.0.2.1".to_owned(),
            address: "192.0.2.1".parse().unwrap(),
            certificate: None,
            token: None,
            statement: None,
        },
        metadata: metadata.as_object().unwrap().clone(),
    }
}

fn compared(profiles: &str, request: &RecordedRequest) -> Compared {
    let settings: Vec<ProfileSettings> = serde_yaml::from_str(profiles).unwrap();
    let profiles: Vec<Profile> = settings.iter().map(|settings| Profile::compile(settings).unwrap()).collect();
    let statements = StatementIssuers::default();
    compare(request, &Judges { profiles: &profiles, kind: Kind::Rfc7591, statements: &statements })
}

/// The difference as a person reads it; nothing where there is none.
fn told(profiles: &str, request: &RecordedRequest) -> String {
    match compared(profiles, request) {
        Compared::AsBefore => String::new(),
        Compared::Undecided => "undecided".to_owned(),
        Compared::Changed(difference) => {
            let Difference { change, from, to, because } = *difference;
            format!("{}: {from} -> {to} | {}", change.sentence(), because.join("; "))
        }
    }
}

fn orders() -> Value {
    json!({"client_name": "Orders", "redirect_uris": ["https://app.example.com/cb"]})
}

#[test]
fn the_same_rules_change_nothing() {
    assert_eq!(told(EVERYBODY, &recorded("admit", "admitted", orders())), "");
    let elsewhere = json!({"redirect_uris": ["https://evil.example/cb"]});
    assert_eq!(told(EVERYBODY, &recorded("refuse", "rules_violated", elsewhere)), "");
}

#[test]
fn what_a_quota_refused_after_the_rules_is_judged_by_them_again() {
    let quota =
        RecordedRequest { scope_granted: Some("openid".to_owned()), ..recorded("refuse", "quota_reached", orders()) };
    assert_eq!(told(EVERYBODY, &quota), "");
    let tried = EVERYBODY.replace("app.example.com", "other.example.com");
    assert!(told(&tried, &quota).starts_with("would be refused"), "{}", told(&tried, &quota));
    assert_eq!(told(EVERYBODY, &recorded("refuse", "throttled", orders())), "undecided");
}

#[test]
fn a_host_that_is_taken_out_is_told_with_the_sentence_of_the_rule() {
    let tried = EVERYBODY.replace("app.example.com", "other.example.com");
    assert_eq!(
        told(&tried, &recorded("admit", "repeated", orders())),
        "would be refused: admit (profile \"everybody\", scope \"openid\") -> refuse (profile \"everybody\") | \
         redirect_uris[0]: host \"app.example.com\" is not allowed by profile \"everybody\""
    );
}

#[test]
fn what_was_refused_and_would_pass_is_told() {
    let refused = recorded("refuse", "rules_violated", json!({"redirect_uris": ["https://new.example.com/cb"]}));
    let tried = EVERYBODY.replace("app.example.com", "new.example.com");
    assert!(told(&tried, &refused).starts_with("would be admitted: refuse (profile \"everybody\") -> admit"));
    let reporting = format!("{EVERYBODY}  enforcement: report_only\n");
    assert!(told(&reporting, &refused).starts_with("would be let through, and reported: refuse"));
    let was_let_through =
        recorded("report_only", "rules_violated", json!({"redirect_uris": ["https://new.example.com/cb"]}));
    assert!(told(EVERYBODY, &was_let_through).starts_with("would be refused: report_only"));
}

#[test]
fn other_scopes_another_profile_and_an_approval_are_told() {
    let request = recorded("admit", "admitted", orders());
    let other = EVERYBODY.replace("initial: [openid]", "initial: [profile]");
    assert!(told(&other, &request).contains("-> admit (profile \"everybody\", scope \"profile\")"));
    let renamed = EVERYBODY.replace("name: everybody", "name: all");
    assert!(told(&renamed, &request).contains("-> admit (profile \"all\", scope \"openid\")"));
    let approved = format!("{EVERYBODY}  approval: required\n");
    assert!(told(&approved, &request).ends_with("scope \"openid\", approval \"required\") | "));
}

#[test]
fn a_credential_that_would_be_required_refuses() {
    let tried = EVERYBODY.replace("off", "required");
    let request = recorded("admit", "admitted", orders());
    assert!(told(&tried, &request).starts_with("would be refused: "), "{}", told(&tried, &request));
    let token = Some(RecordedToken { label: "1f".to_owned(), profile: Some("everybody".to_owned()) });
    let registrant = RecordedRegistrant { token, ..request.registrant.clone() };
    assert_eq!(told(&tried, &RecordedRequest { registrant, ..request }), "");
}

#[test]
fn what_was_never_judged_or_takes_a_statement_that_is_not_kept_cannot_be_told() {
    for of_the_moment in ["throttled", "statement_keys_unavailable", "of_another_version"] {
        assert_eq!(told(EVERYBODY, &recorded("refuse", of_the_moment, orders())), "undecided", "{of_the_moment}");
    }
    let mut vouched = orders();
    vouched["software_statement"] = "(not kept)".into();
    let vouched = recorded("refuse", "statement_issuer_untrusted", vouched);
    assert_eq!(told(&format!("{EVERYBODY}  software_statement: optional\n"), &vouched), "undecided");
    assert!(
        told(EVERYBODY, &vouched).starts_with("would be admitted"),
        "a profile that takes none does not look at it"
    );
}

#[test]
fn programs_with_changing_loopback_ports_are_one_client() {
    let metadata =
        |port: u16| json!({"client_name": "", "redirect_uris": [format!("http://127.0.0.1:{port}/cb"), "app:/cb"]});
    let one = client(metadata(1).as_object().unwrap());
    assert_eq!(one, client(metadata(2).as_object().unwrap()));
    assert_eq!(one, (None, vec!["app:/cb".to_owned(), "http://127.0.0.1/cb".to_owned()]));
}
