//! The end of a suspension: the client is resumed whatever else fails, and stays suspended where somebody prolonged it meanwhile.

use std::time::Duration;

use dcr_gateway::clock::{Clock as _, SystemClock, Timestamp};
use dcr_gateway::lifecycle::{Action, State};
use dcr_gateway::store::{
    ClientFilter, ClientRecord, Clients as _, Ending, Page, Recording, ResponseAction, ResponseRecord, Responses as _,
    Turn, TurnEnd, TurnTaken,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{World, configuration, demo_section, demo_server};

const DETECTOR: &str = "lookalike_names";
const HOLDER: &str = "this test";

fn name(subject: &str) -> String {
    format!("response-to-{subject}")
}

fn response(action: ResponseAction, subject: &str, (created_at, expires_at): (Timestamp, Timestamp)) -> ResponseRecord {
    ResponseRecord {
        id: name(subject),
        action,
        subject: subject.to_owned(),
        factor: 1,
        dry_run: false,
        author: DETECTOR.to_owned(),
        finding: None,
        reason: None,
        created_at,
        expires_at,
        ended: None,
    }
}

pub async fn turn_at(world: &World, id: &str) -> ClientRecord {
    let turn = Turn { holder: HOLDER.to_owned(), lasts: Duration::from_secs(60) };
    match world.store.take_turn(id, &turn, SystemClock.now()).await.unwrap() {
        TurnTaken::Taken { client, .. } => *client,
        other => panic!("{other:?}"),
    }
}

pub async fn end_turn(world: &World, client: &ClientRecord) {
    assert!(world.store.end_turn(TurnEnd::of(client, HOLDER), SystemClock.now()).await.unwrap());
}

/// A client that a detector suspended.
async fn suspended(world: &World, name: &str) -> String {
    let id = world.register(name).await["client_id"].as_str().unwrap().to_owned();
    let mut client = turn_at(world, &id).await;
    let by = Action { at: SystemClock.now(), actor: DETECTOR.to_owned(), comment: None };
    client.lifecycle = client.lifecycle.suspend(by).unwrap();
    end_turn(world, &client).await;
    id
}

/// What the server does not have, and can never be brought to, cannot be resumed; or can again.
async fn be_lost(world: &World, id: &str, is_lost: bool) {
    let client = turn_at(world, id).await;
    end_turn(world, &ClientRecord { unmanageable: is_lost, members_behind: is_lost, ..client }).await;
}

async fn impose(world: &World, response: ResponseRecord) {
    world.store.impose(response, Recording::nothing()).await.unwrap();
}

async fn ending(world: &World, subject: &str) -> Option<Ending> {
    world.store.response(&name(subject)).await.unwrap().unwrap().ended
}

fn is_in(state: &'static str) -> impl Fn(&Value) -> bool {
    move |client| client["state"] == state
}

#[tokio::test]
async fn a_client_that_cannot_be_resumed_keeps_no_other_response_from_its_end() {
    let world = World::start().await;
    let id = suspended(&world, "Orders").await;
    be_lost(&world, &id, true).await;
    let now = SystemClock.now();
    let over = now.before(Duration::from_secs(1));
    // The newest is looked at first.
    impose(&world, response(ResponseAction::BanToken, "ci", (now.before(Duration::from_secs(9)), over))).await;
    impose(&world, response(ResponseAction::SuspendClient, &id, (now.before(Duration::from_secs(5)), over))).await;
    let ended = async {
        while ending(&world, "ci").await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.expect("the other response ends");
    assert_eq!(ending(&world, &id).await, None, "it is tried again");
    be_lost(&world, &id, false).await;
    world.until(&id, is_in("active")).await;
}

#[tokio::test]
async fn a_suspension_that_could_not_be_undone_can_be_lifted_again() {
    let world = World::start().await;
    let id = suspended(&world, "Orders").await;
    let now = SystemClock.now();
    impose(&world, response(ResponseAction::SuspendClient, &id, (now, now.after(Duration::from_secs(3600))))).await;
    be_lost(&world, &id, true).await;
    let lift = async || world.ask("DELETE", &format!("/v1/bans/{}", name(&id))).await.status;
    assert_eq!(lift().await, 409);
    be_lost(&world, &id, false).await;
    assert_eq!(lift().await, 200);
    world.until(&id, is_in("active")).await;
    assert!(ending(&world, &id).await.unwrap().by.is_some());
    assert_eq!(lift().await, 409);
}

#[tokio::test]
async fn a_suspension_that_was_prolonged_while_it_was_undone_is_in_force_again() {
    let world = World::start().await;
    let id = suspended(&world, "Orders").await;
    let now = SystemClock.now();
    let suspension = |until| response(ResponseAction::SuspendClient, &id, (now, now.after(until)));
    impose(&world, suspension(Duration::from_secs(2))).await;
    // Whoever undoes it waits for the turn.
    let client = turn_at(&world, &id).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    impose(&world, suspension(Duration::from_secs(3600))).await;
    let before = client.version;
    end_turn(&world, &client).await;
    // Resumed, and suspended again.
    let is_there = |client: &Value| is_in("suspended")(client) && client["version"].as_i64() > Some(before + 1);
    world.until(&id, is_there).await;
    assert_eq!(ending(&world, &id).await, None);
    assert_eq!(world.ask("GET", "/v1/bans").await.body["bans"][0]["subject"], json!(id));
}

/// The turn of whichever client is registered next, taken before anybody else does; none: somebody was quicker.
fn turn_at_the_next(world: &World, known: &[String]) -> std::thread::JoinHandle<Option<ClientRecord>> {
    let (store, known, runtime) = (world.store.clone(), known.to_vec(), tokio::runtime::Handle::current());
    // On a thread of its own, which waits for nothing.
    std::thread::spawn(move || {
        let turn = Turn { holder: HOLDER.to_owned(), lasts: Duration::from_secs(60) };
        runtime.block_on(async {
            loop {
                let newest = store.clients(&ClientFilter::default(), &Page::first(1)).await.unwrap().pop();
                let Some(client) = newest.filter(|client| !known.contains(&client.client_id)) else { continue };
                return match store.take_turn(&client.client_id, &turn, SystemClock.now()).await.unwrap() {
                    TurnTaken::Taken { client, .. } => Some(*client),
                    _ => None,
                };
            }
        })
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_that_is_lifted_while_it_waits_for_the_client_suspends_nobody() {
    let rules = "anomalies: { learning: 0s, lookalike_names: { cooldown: 1s, names: [Example Bank] }, \
                 responses: [{ to: [lookalike_names], dry_run: false, action: suspend_client, for: 1d }] }\n";
    let text = configuration(&demo_section(demo_server().await), "{ socket: admin.sock }");
    let world = World::configured(TempDir::new().unwrap(), &format!("{rules}{text}")).await;
    let mut known = Vec::new();
    let client = loop {
        assert!(known.len() < 30, "the detector is quicker than this test every time");
        let turn = turn_at_the_next(&world, &known);
        world.register(&format!("Examp1e Bank {}", known.len())).await;
        match turn.join().unwrap() {
            Some(client) if client.lifecycle.state() == State::Active => break client,
            Some(client) => end_turn(&world, &client).await,
            None => {}
        }
        known.push(world.store.clients(&ClientFilter::default(), &Page::first(1)).await.unwrap()[0].client_id.clone());
        tokio::time::sleep(Duration::from_millis(1100)).await;
    };
    let id = &client.client_id;
    // Whoever is to suspend it waits for the turn, and its response is in force.
    let suspension = loop {
        let bans = world.ask("GET", "/v1/bans").await.body;
        let on_it = bans["bans"].as_array().unwrap().iter().find(|ban| ban["subject"] == json!(id));
        if let Some(suspension) = on_it {
            break suspension["id"].as_str().unwrap().to_owned();
        }
    };
    assert_eq!(world.ask("DELETE", &format!("/v1/bans/{suspension}")).await.status, 200);
    let before = client.version;
    end_turn(&world, &client).await;
    // Suspended, and resumed again.
    let is_there = |client: &Value| is_in("active")(client) && client["version"].as_i64() > Some(before + 1);
    world.until(id, is_there).await;
}
