//! What becomes of clients, before a server that cannot disable them.

use serde_json::{Value, json};

use crate::world::World;

fn path(client: &Value, rest: &str) -> String {
    format!("/v1/clients/{}{rest}", client["client_id"].as_str().unwrap())
}

#[tokio::test]
async fn a_suspended_client_cannot_manage_itself_until_it_is_resumed() {
    let world = World::start().await;
    let client = world.register("Orders").await;
    assert_eq!(world.read_itself(&client).await, 200);
    let suspend = world.request("POST", &path(&client, "/suspend")).header("if-match", "*");
    let suspended = world.send(suspend.json(&json!({ "comment": "reported" }))).await;
    assert_eq!((suspended.status, &suspended.body["state"]), (200, &json!("suspended")), "{}", suspended.body);
    assert_eq!(suspended.body["comment"], "reported");
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    assert_eq!(suspended.body["changed_by"], user);
    assert_eq!(world.read_itself(&client).await, 403);

    let tag = suspended.etag.unwrap();
    let resumed = world.change("POST", &path(&client, "/resume"), &tag).await;
    assert_eq!((resumed.status, &resumed.body["state"]), (200, &json!("active")));
    assert_eq!(world.read_itself(&client).await, 200);
}

#[tokio::test]
async fn a_suspended_client_that_others_share_is_not_handed_out_again() {
    let world = World::start().await;
    let public = json!({ "redirect_uris": ["https://app.example.com/callback"], "token_endpoint_auth_method": "none" });
    let (_, first) = world.register_as(&public).await;
    assert_eq!(world.register_as(&public).await.1["client_id"], first["client_id"]);
    world.change("POST", &path(&first, "/suspend"), "*").await;
    assert_eq!(world.register_as(&public).await.0, 403);
    world.change("POST", &path(&first, "/resume"), "*").await;
    assert_eq!(world.register_as(&public).await.1["client_id"], first["client_id"]);
}

#[tokio::test]
async fn two_operators_do_not_overwrite_each_other() {
    let world = World::start().await;
    let client = world.register("Orders").await;
    let seen = world.ask("GET", &path(&client, "")).await;
    let tag = seen.etag.unwrap();
    assert_eq!(tag, format!("\"{}\"", seen.body["version"]));
    let target = path(&client, "/suspend");
    assert_eq!(world.ask("POST", &target).await.status, 428);
    assert_eq!(world.change("POST", &target, "1").await.status, 400);
    assert_eq!(world.change("POST", &target, "W/\"1\"").await.status, 412);
    assert_eq!(world.change("POST", &target, "\"998\", \"999\"").await.status, 412);
    assert_eq!(world.change("POST", &target, "\"999\"").await.status, 412);
    let (first, second) = tokio::join!(world.change("POST", &target, &tag), world.change("POST", &target, &tag));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let shown = |tag: String| world.send(world.request("GET", &path(&client, "")).header("if-none-match", tag));
    assert_eq!(shown(tag.clone()).await.status, 200, "it is another version");
    let now = world.ask("GET", &path(&client, "")).await.etag.unwrap();
    let unchanged = shown(format!("{tag}, W/{now}")).await;
    assert_eq!((unchanged.status, unchanged.etag.as_deref()), (304, Some(now.as_str())));
    // One of a list is enough. The state, not the version, stands in the way now.
    assert_eq!(world.change("POST", &target, &format!("{tag}, {now}")).await.status, 409);
    let again = world.change("POST", &target, "*").await;
    assert_eq!((again.status, &again.body["type"]), (409, &json!("urn:dcr-gateway:problem:conflict")));
    let unchanged = world.ask("GET", &path(&client, "")).await.body;
    assert_eq!(unchanged["version"], first.body["version"].as_i64().or(second.body["version"].as_i64()).unwrap());
}

#[tokio::test]
async fn a_deleted_client_is_gone_at_the_server_and_stays_in_the_record() {
    let world = World::start().await;
    let client = world.register("Orders").await;
    // Also a suspended one.
    world.change("POST", &path(&client, "/suspend"), "*").await;
    let deleted = world.change("DELETE", &path(&client, "?comment=fraud"), "*").await;
    assert_eq!((deleted.status, &deleted.body["state"]), (200, &json!("deleted")), "{}", deleted.body);
    assert_eq!(deleted.body["comment"], "fraud");
    assert_eq!(world.read_itself(&client).await, 401);
    for rest in ["/suspend", "/resume"] {
        assert_eq!(world.change("POST", &path(&client, rest), "*").await.status, 409);
    }
    assert_eq!(world.change("DELETE", &path(&client, ""), "*").await.status, 409);
    let listed = world.ask("GET", "/v1/clients?state=deleted").await.body;
    assert_eq!(listed["clients"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_client_that_the_server_gave_no_token_for_is_not_deleted() {
    let world = World::start().await;
    crate::records::registered(&*world.store, "1", 1_700_000_000_000).await;
    let refused = world.change("DELETE", "/v1/clients/c-1", "*").await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert_eq!(world.ask("GET", "/v1/clients/c-1").await.body["state"], "active");
    assert_eq!(world.change("POST", "/v1/clients/c-1/suspend", "*").await.status, 200);
}

#[tokio::test]
async fn the_record_of_a_client_that_somebody_deleted_there_is_ended() {
    let world = World::start().await;
    crate::records::registered(&*world.store, "1", 1_700_000_000_000).await;
    let ended = world.change("DELETE", "/v1/clients/c-1?gone=true&comment=by%20hand", "*").await;
    assert_eq!((ended.status, &ended.body["state"]), (200, &json!("deleted")), "{}", ended.body);
    assert_eq!((&ended.body["comment"], &ended.body["unsettled"]), (&json!("by hand"), &Value::Null));
    assert!(world.ask("GET", "/v1/audit").await.body.to_string().contains("gone_at_the_server"));
}

#[tokio::test]
async fn a_client_that_is_said_to_be_gone_and_can_be_deleted_is_deleted() {
    let world = World::start().await;
    let client = world.register("Orders").await;
    let ended = world.change("DELETE", &path(&client, "?gone=true"), "*").await;
    assert_eq!((ended.status, &ended.body["state"]), (200, &json!("deleted")), "{}", ended.body);
    // A second time there is nothing to delete.
    assert_eq!(world.change("DELETE", &path(&client, "?gone=true"), "*").await.status, 409);
}

#[tokio::test]
async fn no_answer_holds_a_secret() {
    let world = World::start().await;
    let client = world.register("Orders").await;
    let id = client["client_id"].as_str().unwrap();
    let registrations = world.ask("GET", "/v1/registrations").await.body;
    let registration = registrations["registrations"][0]["id"].as_str().unwrap();
    let targets = [
        "/v1/clients".to_owned(),
        format!("/v1/clients/{id}"),
        "/v1/registrations".to_owned(),
        format!("/v1/registrations/{registration}"),
        "/v1/findings".to_owned(),
        "/v1/requests".to_owned(),
        "/v1/keys".to_owned(),
        "/v1/openapi.json".to_owned(),
    ];
    let key = std::fs::read_to_string(world.directory.path().join("key")).unwrap();
    let token = client["registration_access_token"].as_str().unwrap();
    let secrets = [client["client_secret"].as_str().unwrap(), token, key.trim(), "operator\""];
    for target in targets {
        let answer = world.ask("GET", &target).await;
        assert_eq!(answer.status, 200, "{target}");
        let text = answer.body.to_string();
        for secret in secrets {
            assert!(!text.contains(secret), "{target}: {text}");
        }
    }
}
