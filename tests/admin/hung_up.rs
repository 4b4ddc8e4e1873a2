//! A call about a client, before a server that takes its time, whatever becomes of whoever asked for it, and of the gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::{delete, post};
use axum::{Json, Router};
use dcr_gateway::clock::{Clock as _, SystemClock, Timestamp};
use dcr_gateway::lifecycle::State;
use dcr_gateway::store::{
    Begun, ClientRecord, Clients as _, Intent, MetadataDigest, Sealed, Turn, TurnEnd, TurnTaken, Uses as _,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::records;
use crate::undone::{end_turn, turn_at};
use crate::world::{World, configuration};

const CLIENT: &str = "c-old";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A server that has one client, and deletes it when it is told to go on.
#[derive(Default)]
struct Server {
    asked_to_delete: Notify,
    go_on: Notify,
    is_deleted: AtomicBool,
}

impl Server {
    async fn start() -> (Arc<Self>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::new(Self::default());
        let deleting = server.clone();
        let uri = format!("http://127.0.0.1:1/register/{CLIENT}");
        let router = Router::new()
            .route("/register", post(async move |Json(asked): Json<Value>| registered(asked, &uri)))
            .route(
                "/register/{id}",
                // In a task of its own: a server goes on with what it has begun.
                delete(async move || tokio::spawn(async move { deleting.delete().await }).await.unwrap()),
            );
        tokio::spawn(axum::serve(listener, router).into_future());
        (server, address)
    }

    async fn delete(&self) -> StatusCode {
        self.asked_to_delete.notify_one();
        self.go_on.notified().await;
        // The token went with the client.
        if self.is_deleted.swap(true, Ordering::SeqCst) { StatusCode::UNAUTHORIZED } else { StatusCode::NO_CONTENT }
    }
}

fn registered(mut asked: Value, uri: &str) -> (StatusCode, Json<Value>) {
    let given = [
        ("client_id", CLIENT),
        ("client_secret", "a-secret"),
        ("registration_access_token", "the-servers-token"),
        ("registration_client_uri", uri),
    ];
    let members = asked.as_object_mut().unwrap();
    members.extend(given.map(|(name, value)| (name.to_owned(), value.into())));
    (StatusCode::CREATED, Json(asked))
}

/// A gateway whose one client has been there for twenty days, and may be unused for ten.
async fn world() -> (Arc<Server>, World) {
    let (server, address) = Server::start().await;
    let section = format!(
        "{{ kind: rfc7591, issuer: \"http://127.0.0.1:1\", url: \"http://{address}\", registration_path: /register, \
         credential: none, client_endpoints: {{ token: [/token] }} }}"
    );
    let text = configuration(&section, "{ socket: admin.sock }");
    let text = text.replace("name: partners,", "name: partners, expire_unused_after: 10d,");
    // The record of now has no client that is so old, and what is sealed of one is good with the same key.
    let before = World::configured(TempDir::new().unwrap(), &text).await;
    assert_eq!(before.register("Orders").await["client_id"], CLIENT);
    let server_access = before.store.client(CLIENT).await.unwrap().unwrap().server_access;
    let world = World::configured(before.stop().await, &text).await;
    // What the gateway itself looked at when it started is over when it has answered.
    world.ask("GET", "/v1/unused-clients").await;
    let now = SystemClock.now();
    world.store.stop_watching_uses().await.unwrap();
    world.store.watch_uses(now.before(30 * DAY)).await.unwrap();
    records::registered(&*world.store, "old", now.before(20 * DAY).unix_millis()).await;
    records::registered(&*world.store, "used", now.unix_millis()).await;
    world.store.note_uses(&[("c-used".to_owned(), now)]).await.unwrap();
    let turn = Turn { holder: "this test".to_owned(), lasts: Duration::from_secs(60) };
    let TurnTaken::Taken { client, .. } = world.store.take_turn(CLIENT, &turn, now).await.unwrap() else {
        panic!("nobody else is at it")
    };
    let client = ClientRecord { server_access, ..*client };
    assert!(world.store.end_turn(TurnEnd::of(&client, &turn.holder), now).await.unwrap());
    (server, world)
}

/// An operator asks for it, and goes away when the server has been asked to delete the first one.
async fn hang_up_while_unused_clients_expire(server: &Server, world: &World) {
    let expire = world.request("POST", "/v1/unused-clients/expire");
    let asking = tokio::spawn(expire.send());
    server.asked_to_delete.notified().await;
    asking.abort();
}

#[tokio::test]
async fn an_operator_who_hangs_up_while_unused_clients_expire_loses_none() {
    let (server, world) = world().await;
    hang_up_while_unused_clients_expire(&server, &world).await;
    // By the time that these are answered the gateway knows that nobody waits any more.
    for _ in 0..20 {
        world.ask("GET", "/v1/unused-clients").await;
    }
    server.go_on.notify_one();
    world.until(CLIENT, |client| client["state"] == "expired" && client["unsettled"].is_null()).await;
}

#[tokio::test]
async fn a_gateway_that_is_told_to_stop_finishes_what_it_began_at_the_server() {
    let (server, world) = world().await;
    hang_up_while_unused_clients_expire(&server, &world).await;
    let store = world.store.clone();
    let stopping = tokio::spawn(world.stop());
    // Longer than it waits for anything else.
    assert!(timeout(Duration::from_secs(4), server.asked_to_delete.notified()).await.is_err(), "once is enough");
    server.go_on.notify_one();
    stopping.await.unwrap();
    let client = store.client(CLIENT).await.unwrap().unwrap();
    assert_eq!((client.lifecycle.state(), client.unsettled, client.unmanageable), (State::Expired, None, false));
}

#[tokio::test]
async fn a_client_that_is_handed_out_again_while_others_expire_does_not() {
    let (server, world) = world().await;
    let registered_at = SystemClock.now().before(19 * DAY);
    let shared =
        |id, at: Timestamp| Intent { digest: Some(MetadataDigest([7; 32])), ..records::intent(id, at.unix_millis()) };
    records::registered_as(&*world.store, shared("shared", registered_at)).await;
    let client = turn_at(&world, "c-shared").await;
    end_turn(&world, &ClientRecord { server_access: Some(Sealed(vec![0; 40])), ..client }).await;
    let expire = world.request("POST", "/v1/unused-clients/expire");
    let expiring = tokio::spawn(expire.send());
    // Both were found by then, and the older one is being deleted.
    server.asked_to_delete.notified().await;
    let again = records::begin_as(&*world.store, shared("again", SystemClock.now())).await;
    assert!(matches!(again, Begun::Known(_)), "{again:?}");
    server.go_on.notify_one();
    assert!(expiring.await.unwrap().unwrap().status().is_success());
    let state = async |id: &str| world.store.client(id).await.unwrap().unwrap().lifecycle.state();
    assert_eq!((state(CLIENT).await, state("c-shared").await), (State::Expired, State::Active));
}
