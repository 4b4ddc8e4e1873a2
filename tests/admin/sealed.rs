//! What the record keeps encrypted of a client cannot be read, for a key is lost or not read yet: only managing it at the server waits
//! for that key.

use dcr_gateway::clock::Timestamp;
use dcr_gateway::store::{ClientRecord, Sealed};
use serde_json::json;

use crate::undone::{end_turn, turn_at};
use crate::world::{World, public};

/// Puts a box that no key opens in its place, and returns what was there.
pub async fn seal(world: &World, id: &str, sealed: Option<Sealed>) -> Option<Sealed> {
    let client = turn_at(world, id).await;
    let before = client.server_access.clone();
    end_turn(world, &ClientRecord { server_access: sealed, ..client }).await;
    before
}

pub fn unreadable() -> Option<Sealed> {
    Some(Sealed(vec![0; 40]))
}

#[tokio::test]
async fn an_operator_decides_about_it_and_the_server_has_it_once_the_key_is_back() {
    let world = World::start().await;
    let client = world.register("Orders").await;
    let id = client["client_id"].as_str().unwrap();
    let sealed = seal(&world, id, unreadable()).await;
    assert_eq!(world.read_itself(&client).await, 500);
    for (what, state) in [("suspend", "suspended"), ("resume", "active")] {
        let changed = world.change("POST", &format!("/v1/clients/{id}/{what}"), "*").await;
        assert_eq!((changed.status, &changed.body["state"]), (200, &json!(state)), "{}", changed.body);
    }
    let deleted = world.change("DELETE", &format!("/v1/clients/{id}"), "*").await;
    assert_eq!((deleted.status, &deleted.body["state"]), (200, &json!("deleted")), "{}", deleted.body);
    assert!(!deleted.body["unsettled"].is_null(), "{}", deleted.body);
    seal(&world, id, sealed).await;
    world.until(id, |client| client["unsettled"].is_null()).await;
}

#[tokio::test]
async fn a_client_that_others_share_is_handed_out_again() {
    let world = World::start().await;
    let (_, first) = world.register_as(&public("openid")).await;
    let id = first["client_id"].as_str().unwrap();
    seal(&world, id, unreadable()).await;
    let client = turn_at(&world, id).await;
    // Long enough ago to be looked for at the server first.
    end_turn(&world, &ClientRecord { confirmed_at: Timestamp::from_unix_millis(0), ..client }).await;
    let (status, again) = world.register_as(&public("openid")).await;
    assert_eq!((status, &again["client_id"]), (201, &first["client_id"]), "{again}");
}
