//! Software statements through the whole gateway: over a socket, before a server that writes down what it is sent.

mod world;

use serde_json::{Value, json};

use world::{Directory, ISSUER, REQUIRED, Rules, World};

#[tokio::test]
async fn what_the_statement_says_is_registered_and_it_comes_back_unmodified() {
    let world = World::with(Rules { issuer: "claims: { client_name: software_client_name }", ..REQUIRED }).await;
    let statement = world.statement(json!({
        "software_id": "app", "software_client_name": "Example App", "redirect_uris": ["https://app.example.com/cb"],
        "grant_types": "authorization_code", "org_status": "Active",
    }));
    let request = json!({
        "software_statement": statement, "client_name": "Another", "client_name#de": "Noch eine", "software_id": "other",
        "contacts": ["ops@example.com"],
    });
    let (status, answer) = world.register(&request).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["software_statement"], statement);
    assert_eq!(answer["client_name"], "Example App");
    assert_eq!(
        world.sent(),
        [json!({
            "client_name": "Example App", "contacts": ["ops@example.com"], "grant_types": ["authorization_code"],
            "redirect_uris": ["https://app.example.com/cb"], "response_types": ["code"], "software_id": "app",
            "token_endpoint_auth_method": "client_secret_basic",
        })]
    );
}

#[tokio::test]
async fn a_server_that_wants_it_is_sent_the_statement_too() {
    let world = World::with(Rules { server: "software_statements: send", ..REQUIRED }).await;
    let statement = world.statement(json!({"redirect_uris": ["https://app.example.com/cb"]}));
    let (status, answer) = world.register(&json!({"software_statement": statement})).await;
    assert_eq!((status, &answer["software_statement"]), (201, &json!(statement)));
    assert_eq!(world.sent()[0]["software_statement"], statement);
}

#[tokio::test]
async fn a_profile_that_takes_none_leaves_it_out() {
    let world = World::with(Rules { requirement: "off", ..REQUIRED }).await;
    let statement = world.statement(json!({"client_name": "Stated"}));
    let request = json!({
        "software_statement": statement, "client_name": "Plain", "redirect_uris": ["https://app.example.com/cb"],
    });
    let (status, answer) = world.register(&request).await;
    assert_eq!((status, &answer["client_name"], &answer["software_statement"]), (201, &json!("Plain"), &Value::Null));
    assert_eq!(world.sent()[0].get("software_statement"), None);
}

#[tokio::test]
async fn where_it_is_optional_none_is_needed_and_a_bad_one_is_refused() {
    let world = World::with(Rules { requirement: "optional", ..REQUIRED }).await;
    let plain = json!({"redirect_uris": ["https://app.example.com/cb"]});
    assert_eq!(world.register(&plain).await.0, 201);
    let mut bad = plain.clone();
    bad["software_statement"] = json!("a.b.c");
    let (status, answer) = world.register(&bad).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_software_statement")));
}

#[tokio::test]
async fn each_statement_that_is_not_accepted_has_the_code_of_rfc_7591_and_nothing_is_registered() {
    let world = World::with(Rules { issuer: "blocked: [blocked]", ..REQUIRED }).await;
    let signed = |claims: Value| json!({"software_statement": world.statement(claims)});
    let forged = Directory::new().sign(&json!({"iss": ISSUER}));
    let (invalid, unapproved) = ("invalid_software_statement", "unapproved_software_statement");
    for (request, code, sentence) in [
        (json!({}), invalid, "a software statement is required"),
        (json!({"software_statement": {}}), invalid, "software_statement: must be a string"),
        (
            json!({"software_statement": "junk"}),
            invalid,
            "software_statement: it is malformed: it is not three parts with points between",
        ),
        (json!({"software_statement": forged}), invalid, "software_statement: its signature is wrong"),
        (signed(json!({"exp": 1_700_000_000})), invalid, "software_statement: it has expired"),
        (
            signed(json!({"iss": "https://evil.example"})),
            unapproved,
            "software_statement: issuer \"https://evil.example\" is not trusted here",
        ),
        (
            signed(json!({"software_id": "blocked"})),
            unapproved,
            "software_statement: this software may not register here",
        ),
    ] {
        let (status, answer) = world.register(&request).await;
        assert_eq!((status, &answer["error"]), (400, &json!(code)), "{request}");
        assert_eq!(answer["error_description"], sentence);
        assert!(answer["request_id"].is_string());
    }
    assert_eq!(world.sent(), Vec::<Value>::new());
}

#[tokio::test]
async fn keys_are_fetched_and_nothing_is_said_of_a_statement_while_they_cannot_be() {
    let world = World::with(Rules { keys: "jwks_url: 'http://SERVER/jwks'", ..REQUIRED }).await;
    let claims = json!({"redirect_uris": ["https://app.example.com/cb"]});
    assert_eq!(world.register(&json!({"software_statement": world.statement(claims.clone())})).await.0, 201);

    let world = World::with(Rules { keys: "jwks_url: 'http://SERVER/nowhere'", ..REQUIRED }).await;
    let (status, answer) = world.register(&json!({"software_statement": world.statement(claims)})).await;
    assert_eq!((status, &answer["error"]), (503, &json!("temporarily_unavailable")));
    assert!(!answer.to_string().contains("nowhere"), "{answer}");
}

#[tokio::test]
async fn redirect_uris_are_held_to_the_statement_and_to_the_profile() {
    let world = World::with(REQUIRED).await;
    let request = |stated: Value, asked: Value| json!({"software_statement": world.statement(json!({"redirect_uris": stated})), "redirect_uris": asked});
    let named = json!(["https://app.example.com/1", "https://app.example.com/2"]);
    let some = request(named.clone(), json!(["https://app.example.com/2"]));
    assert_eq!(world.register(&some).await.0, 201);
    assert_eq!(world.sent()[0]["redirect_uris"], json!(["https://app.example.com/2"]));

    let other = request(named, json!(["https://app.example.com/1", "https://app.example.com/3"]));
    let (status, answer) = world.register(&other).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_redirect_uri")));
    assert_eq!(answer["violations"][0]["rule"], "software_statement");
    assert_eq!(answer["violations"][0]["place"], "redirect_uris[1]");

    let elsewhere = request(json!(["https://elsewhere.example/cb"]), json!([]));
    let (status, answer) = world.register(&elsewhere).await;
    assert_eq!(
        (status, &answer["violations"][0]["rule"]),
        (400, &json!("redirect_uris")),
        "the profile has its say too"
    );
    assert_eq!(world.sent().len(), 1);
}

#[tokio::test]
async fn a_statement_is_good_for_the_certificate_it_is_bound_to() {
    let issuer = "certificate_bindings: [{ claim: software_id, certificate: CN }, { claim: org_id, certificate: OU }]";
    let world = World::with(Rules { issuer, ..REQUIRED }).await;
    let statement = world.statement(json!({
        "software_id": "app", "org_id": "0015800", "redirect_uris": ["https://app.example.com/cb"],
    }));
    let request = json!({ "software_statement": statement });
    let (own, other) = (world.certificate("app", "0015800"), world.certificate("app", "0015801"));
    assert_eq!(world.register_as(&request, "192.0.2.1", Some(&own)).await.0, 201);
    for certificate in [Some(other.as_str()), None] {
        let (status, answer) = world.register_as(&request, "192.0.2.1", certificate).await;
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_software_statement")), "{answer}");
    }
    assert_eq!(world.sent().len(), 1);
}

#[tokio::test]
async fn all_installations_of_one_software_share_its_limit() {
    let world = World::with(Rules { profile: "limits: { rate: 1/h, burst: 2 }", ..REQUIRED }).await;
    let request = |software: &str| {
        let claims = json!({"software_id": software, "redirect_uris": ["https://app.example.com/cb"]});
        json!({ "software_statement": world.statement(claims) })
    };
    let mut answers = Vec::new();
    for (software, address) in
        [("app", "192.0.2.1"), ("app", "192.0.2.2"), ("app", "192.0.2.3"), ("other", "192.0.2.3")]
    {
        answers.push(world.register_as(&request(software), address, None).await.0);
    }
    assert_eq!(answers, [201, 201, 429, 201]);
}
