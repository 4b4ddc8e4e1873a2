//! RFC 7592 as a client sees it, in front of a server that makes a new token at every change.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};
use tokio::task::JoinSet;

use crate::client::Answer;
use crate::flow::refused;
use crate::managed::{Registered, Rules, World, orders, send};

/// An answer that holds the client as it is, and leads to the gateway alone.
fn is_told(answer: &Answer, client: &Registered) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        (answer.header("content-type"), answer.header("cache-control")),
        (Some("application/json"), Some("no-store"))
    );
    let told = answer.json();
    for member in ["client_id", "registration_access_token", "registration_client_uri"] {
        assert_eq!(told[member], client.told[member], "{member}");
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_changes_and_deletes_itself() {
    let world = World::start().await;
    let client = world.client().await;
    assert!(client.token.starts_with("dcrm_"), "{client:?}");
    assert_eq!(client.told["registration_client_uri"], format!("https://sso.example.com/register/{}", client.id));

    let read = is_told(&world.manage("GET", &client.uri, &client.token, None).await, &client);
    assert_eq!(read, client.told, "all that was answered to the registration");

    let change = client.change(&json!({"client_name": "Orders 2", "client_secret": client.told["client_secret"]}));
    let changed = is_told(&world.manage("PUT", &client.uri, &client.token, Some(&change)).await, &client);
    assert_eq!(changed["client_name"], "Orders 2");
    for member in ["client_secret", "client_secret_expires_at", "client_id_issued_at", "scope", "redirect_uris"] {
        assert_eq!(changed[member], client.told[member], "{member}");
    }
    assert_eq!(is_told(&world.manage("GET", &client.uri, &client.token, None).await, &client), changed);

    let deleted = world.manage("DELETE", &client.uri, &client.token, None).await;
    assert_eq!((deleted.status, deleted.header("cache-control")), (204, Some("no-store")), "{deleted:?}");
    for method in ["GET", "PUT", "DELETE"] {
        let answer = world.manage(method, &client.uri, &client.token, Some(&change)).await;
        refused(&answer, 401, "invalid_token");
    }
    assert_eq!(world.asked("DELETE"), 1);
}

/// A statement on the file of the store itself.
async fn tamper(world: &World, statement: &str) {
    let url = format!("sqlite://{}", world.directory.path().join("gateway.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_server_rotated_outlives_a_store_that_fails_for_a_while() {
    let world = World::start().await;
    let client = world.client().await;
    let full = "BEGIN SELECT raise(ABORT, 'database or disk is full'); END";
    tamper(&world, &format!("CREATE TRIGGER full BEFORE UPDATE OF server_access ON clients {full}")).await;
    let change = client.change(&json!({"client_name": "Orders 2"}));
    let (address, asking) = (world.gateway.address, client.clone());
    let changing = tokio::spawn(async move { send(address, ("PUT", &asking.uri), &asking.token, Some(&change)).await });
    while !world.gateway.log().contains("it is tried again") {
        assert!(!changing.is_finished(), "the token is lost: {:?}", changing.await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tamper(&world, "DROP TRIGGER full").await;
    assert_eq!(is_told(&changing.await.unwrap(), &client)["client_name"], "Orders 2");
    let read = is_told(&world.manage("GET", &client.uri, &client.token, None).await, &client);
    assert_eq!(read["client_name"], "Orders 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_follow_the_tokens_that_the_server_rotates() {
    let mut world = World::start().await;
    let client = world.client().await;
    for name in ["first", "second"] {
        let change = client.change(&json!({"client_name": name}));
        let told = is_told(&world.manage("PUT", &client.uri, &client.token, Some(&change)).await, &client);
        assert_eq!(told["client_name"], name);
    }
    world.restart();
    let change = client.change(&json!({"client_name": "third"}));
    is_told(&world.manage("PUT", &client.uri, &client.token, Some(&change)).await, &client);
    assert_eq!(world.answered("registration_access_token").len(), 4, "one at the registration, and at each change");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_against_the_rules_is_told_all_of_them_and_changes_nothing() {
    let world = World::start().await;
    let client = world.client().await;
    let change = client.change(&json!({
        "redirect_uris": ["https://app.example.com/callback", "https://evil.example/callback"],
        "grant_types": ["password"],
    }));
    let answer = world.manage("PUT", &client.uri, &client.token, Some(&change)).await;
    refused(&answer, 400, "invalid_redirect_uri");
    assert_eq!(answer.rules(), ["redirect_uris", "grant_types"]);
    assert_eq!(world.asked("PUT"), 0, "the server is not asked");
    let read = is_told(&world.manage("GET", &client.uri, &client.token, None).await, &client);
    assert_eq!(read, client.told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_gets_no_scope_that_only_an_approval_grants() {
    let world = World::start().await;
    let client = world.client().await;
    let change = client.change(&json!({"scope": "openid profile orders:write admin"}));
    let told = is_told(&world.manage("PUT", &client.uri, &client.token, Some(&change)).await, &client);
    assert_eq!(told["scope"], "openid profile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_not_as_the_rfc_says_is_refused() {
    let world = World::start().await;
    let client = world.client().await;
    let mut wrong = vec![("no client_id", orders())];
    for (name, members) in [
        ("another client_id", json!({"client_id": "another"})),
        ("a client_id that is no text", json!({"client_id": 7})),
        ("our token", json!({"registration_access_token": client.token})),
        ("our URI", json!({"registration_client_uri": client.told["registration_client_uri"]})),
        ("the time of issue", json!({"client_id_issued_at": client.told["client_id_issued_at"]})),
        ("the end of the secret", json!({"client_secret_expires_at": 0})),
        ("another client_secret", json!({"client_secret": "chosen"})),
        ("a client_secret that is no text", json!({"client_secret": 7})),
    ] {
        wrong.push((name, client.change(&members)));
    }
    for (name, change) in wrong {
        let answer = world.manage("PUT", &client.uri, &client.token, Some(&change)).await;
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
        refused(&answer, 400, "invalid_client_metadata");
    }
    assert_eq!(world.asked("PUT"), 0, "the server is not asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_change_holds_nothing_of_is_not_in_it() {
    let world = World::start().await;
    let client = world.client().await;
    let change = client.change(&json!({
        "client_name": "Orders 2", "registration_access_token": null, "registration_client_uri": "",
        "client_id_issued_at": null, "client_secret_expires_at": null, "client_secret": "",
    }));
    let told = is_told(&world.manage("PUT", &client.uri, &client.token, Some(&change)).await, &client);
    assert_eq!((&told["client_name"], &told["client_secret"]), (&json!("Orders 2"), &client.told["client_secret"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_its_own_client_alone() {
    let world = World::start().await;
    let (one, other) = (world.client().await, world.client().await);
    assert_ne!((&one.id, &one.token), (&other.id, &other.token), "confidential clients are never the same");
    for method in ["GET", "PUT", "DELETE"] {
        let change = one.change(&json!({}));
        refused(&world.manage(method, &one.uri, &other.token, Some(&change)).await, 401, "invalid_token");
        refused(&world.manage(method, "/register/nobody", &other.token, Some(&change)).await, 401, "invalid_token");
    }
    for client in [&one, &other] {
        is_told(&world.manage("GET", &client.uri, &client.token, None).await, client);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_the_challenge_names_no_error() {
    let world = World::start().await;
    let client = world.client().await;
    for method in ["GET", "PUT", "DELETE"] {
        let answer = world.manage(method, &client.uri, "", None).await;
        refused(&answer, 401, "invalid_token");
        assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="registration""#));
        let answer = world.manage(method, &client.uri, "dcrm_unknown", None).await;
        refused(&answer, 401, "invalid_token");
        assert!(answer.header("www-authenticate").unwrap().contains(r#"error="invalid_token""#));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_told_which_there_are() {
    let world = World::start().await;
    let client = world.client().await;
    for method in ["POST", "PATCH"] {
        let answer = world.manage(method, &client.uri, &client.token, Some(&orders())).await;
        refused(&answer, 405, "invalid_request");
        assert_eq!(answer.header("allow"), Some("GET, PUT, DELETE, OPTIONS"));
    }
    for (path, allowed) in [
        (client.uri.as_str(), "GET, PUT, DELETE, OPTIONS"),
        ("/register", "POST, OPTIONS"),
        ("/.well-known/openid-configuration", "GET, HEAD, OPTIONS"),
    ] {
        let answer = world.manage("TRACE", path, "", None).await;
        refused(&answer, 405, "invalid_request");
        assert_eq!(answer.header("allow"), Some(allowed), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_changes_at_once_are_made_one_after_the_other() {
    let world = World::start().await;
    let client = world.client().await;
    let names: Vec<_> = (0..8).map(|number| format!("Orders {number}")).collect();
    let mut changes = JoinSet::new();
    for name in names.clone() {
        let uri = format!("https://app.example.com/{}", name.replace(' ', "-"));
        let change = client.change(&json!({"client_name": name, "redirect_uris": [uri]}));
        let (address, client) = (world.gateway.address, client.clone());
        changes.spawn(async move { (name, send(address, ("PUT", &client.uri), &client.token, Some(&change)).await) });
    }
    for (name, answer) in changes.join_all().await {
        assert_eq!(is_told(&answer, &client)["client_name"], name);
    }
    let last = world.manage("GET", &client.uri, &client.token, None).await;
    let last = is_told(&last, &client);
    let name = last["client_name"].as_str().unwrap();
    assert!(names.iter().any(|known| known == name));
    assert_eq!(last["redirect_uris"], json!([format!("https://app.example.com/{}", name.replace(' ', "-"))]));
    assert_eq!(world.asked("PUT"), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_growth_is_refused_a_client_gets_no_more_than_it_has() {
    let world = World::with(Rules { management: "growth: refuse", ..Rules::default() }).await;
    let token = world.gateway.token("partners", 1);
    let mut less = orders();
    less["scope"] = "openid".into();
    let client = world.registered(&token, &less).await;
    for more in [
        json!({"scope": "openid", "redirect_uris": ["https://app.example.com/callback", "https://app.example.com/b"]}),
        json!({"scope": "openid profile"}),
        json!({"scope": "openid", "jwks_uri": "https://app.example.com/jwks"}),
        json!({"scope": "openid", "token_endpoint_auth_method": "none"}),
        json!({"scope": "openid", "grant_types": ["authorization_code", "refresh_token"]}),
        json!({"scope": "openid", "post_logout_redirect_uris": ["https://app.example.com/bye"]}),
        json!({"scope": "openid", "backchannel_logout_uri": "https://app.example.com/logout"}),
        json!({"scope": "openid", "authorization_details_types": ["payment_initiation"]}),
    ] {
        let answer = world.manage("PUT", &client.uri, &client.token, Some(&client.change(&more))).await;
        refused(&answer, 403, "access_denied");
    }
    assert_eq!(world.asked("PUT"), 0);
    let change =
        client.change(&json!({"scope": "openid", "client_name": "Renamed", "grant_types": ["authorization_code"], "token_endpoint_auth_method": "client_secret_post"}));
    is_told(&world.manage("PUT", &client.uri, &client.token, Some(&change)).await, &client);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_growth_is_refused_a_client_gives_up_no_protection() {
    let world = World::with(Rules { management: "growth: refuse", ..Rules::default() }).await;
    let token = world.gateway.token("partners", 1);
    let (on, off) = (json!({"dpop_bound_access_tokens": true}), json!({"dpop_bound_access_tokens": false}));
    let mut bound = orders();
    bound["dpop_bound_access_tokens"] = true.into();
    let client = world.registered(&token, &bound).await;
    for less in [json!({}), off] {
        let answer = world.manage("PUT", &client.uri, &client.token, Some(&client.change(&less))).await;
        refused(&answer, 403, "access_denied");
        assert!(answer.body.contains("without dpop_bound_access_tokens"), "{answer:?}");
    }
    is_told(&world.manage("PUT", &client.uri, &client.token, Some(&client.change(&on))).await, &client);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_algorithm_that_takes_anothers_place_is_no_protection_given_up() {
    let world = World::with(Rules { management: "growth: refuse", ..Rules::default() }).await;
    let token = world.gateway.token("partners", 1);
    let mut signed = orders();
    signed["request_object_signing_alg"] = "RS256".into();
    let client = world.registered(&token, &signed).await;
    let exchanged = client.change(&json!({"request_object_signing_alg": "PS256"}));
    let told = is_told(&world.manage("PUT", &client.uri, &client.token, Some(&exchanged)).await, &client);
    assert_eq!(told["request_object_signing_alg"], "PS256");
    for less in [json!({}), json!({"request_object_signing_alg": "HS256"})] {
        let answer = world.manage("PUT", &client.uri, &client.token, Some(&client.change(&less))).await;
        refused(&answer, 403, "access_denied");
        assert!(answer.body.contains("without request_object_signing_alg"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_that_is_not_the_stores_is_told_at_the_start() {
    let mut world = World::start().await;
    let client = world.client().await;
    world.restart();
    assert!(!world.gateway.log().contains("none of its keys"), "{}", world.gateway.log());
    std::fs::rename(world.directory.path().join("key"), world.directory.path().join("key.away")).unwrap();
    std::fs::write(world.directory.path().join("key"), "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n").unwrap();
    world.restart();
    assert!(world.gateway.log().contains("none of its keys opens"), "{}", world.gateway.log());
    std::fs::rename(world.directory.path().join("key.away"), world.directory.path().join("key")).unwrap();
    world.restart();
    is_told(&world.manage("GET", &client.uri, &client.token, None).await, &client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_file_that_is_gone_is_not_made_anew_where_the_store_holds_what_it_encrypted() {
    let mut world = World::start().await;
    world.client().await;
    world.gateway.signal("TERM");
    assert_eq!(world.gateway.ended(), Some(0));
    std::fs::remove_file(world.directory.path().join("key")).unwrap();
    let refused = world.gateway.run(&["serve"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("Put the file back"), "{told}");
    assert!(!world.directory.path().join("key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_becomes_public_is_changed_again_and_gets_a_new_secret_when_it_is_confidential() {
    let world = World::start().await;
    let client = world.client().await;
    let public = client.change(&json!({"token_endpoint_auth_method": "none"}));
    for _ in 0..2 {
        let told = is_told(&world.manage("PUT", &client.uri, &client.token, Some(&public)).await, &client);
        assert_eq!(told.get("client_secret"), None, "{told}");
    }
    let confidential = client.change(&json!({}));
    let told = is_told(&world.manage("PUT", &client.uri, &client.token, Some(&confidential)).await, &client);
    assert!(told["client_secret"].is_string(), "{told}");
    assert_ne!(told["client_secret"], client.told["client_secret"]);
    let named = client.change(&json!({"client_secret": told["client_secret"]}));
    is_told(&world.manage("PUT", &client.uri, &client.token, Some(&named)).await, &client);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_answers_nor_the_store_nor_the_log_hold_what_is_secret() {
    let mut world = World::start().await;
    let client = world.client().await;
    let change = client.change(&json!({"client_name": "Renamed"}));
    let answers = [
        world.manage("GET", &client.uri, &client.token, None).await,
        world.manage("PUT", &client.uri, &client.token, Some(&change)).await,
        world.manage("GET", &client.uri, &client.token, None).await,
    ];
    let servers = world.answered("registration_access_token");
    assert_eq!(servers.len(), 2, "{servers:?}");
    for answer in &answers {
        assert!(!servers.iter().any(|token| answer.body.contains(token)), "{answer:?}");
        assert!(!answer.body.contains(&world.server.to_string()), "{answer:?}");
    }
    let secret = client.told["client_secret"].as_str().unwrap().to_owned();
    let secrets: Vec<_> = servers.into_iter().chain([secret, client.token.clone()]).collect();
    let holds = |octets: &[u8], text: &str| octets.windows(text.len()).any(|window| window == text.as_bytes());
    // Read while it runs, with its write-ahead log, and after it has ended in order.
    for _ in 0..2 {
        let mut files = 0;
        for file in std::fs::read_dir(world.directory.path()).unwrap().map(Result::unwrap) {
            if !file.file_name().to_str().unwrap().starts_with("gateway.db") {
                continue;
            }
            let octets = std::fs::read(file.path()).unwrap();
            files += usize::from(holds(&octets, &client.id));
            for secret in &secrets {
                assert!(!holds(&octets, secret), "{secret} stands in {:?}", file.file_name());
            }
        }
        assert!(files > 0, "the client itself stands there");
        assert!(!secrets.iter().any(|secret| world.gateway.log().contains(secret)));
        world.restart();
    }
}
