//! A client that is handed out again is looked for at the server first, with a token that the server may have rotated meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use dcr_gateway::clock::Timestamp;
use dcr_gateway::store::{ClientRecord, Clients as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::undone::{end_turn, turn_at};
use crate::world::{World, public};

const CLIENT: &str = "c-shared";

/// A server that has one client, and answers whoever looks at it with this status.
async fn server(looked_at: Arc<AtomicU16>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/register", post(registered))
        .route("/register/{id}", get(async move || look(looked_at.load(Ordering::SeqCst))));
    tokio::spawn(axum::serve(listener, router).into_future());
    address
}

async fn registered(Json(mut asked): Json<Value>) -> (StatusCode, Json<Value>) {
    let given = [
        ("client_id", CLIENT),
        ("registration_access_token", "the-servers-token"),
        ("registration_client_uri", "http://127.0.0.1:1/register/c-shared"),
    ];
    asked.as_object_mut().unwrap().extend(given.map(|(name, value)| (name.to_owned(), value.into())));
    (StatusCode::CREATED, Json(asked))
}

fn look(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let error = if status == StatusCode::UNAUTHORIZED { "invalid_token" } else { "temporarily_unavailable" };
    (status, Json(json!({"error": error}))).into_response()
}

#[tokio::test]
async fn a_look_that_the_server_did_not_see_forgets_no_look_that_was_broken_off() {
    let looked_at = Arc::new(AtomicU16::new(0));
    let address = server(looked_at.clone()).await;
    let section = format!(
        "{{ kind: rfc7591, issuer: \"http://127.0.0.1:1\", url: \"http://{address}\", registration_path: /register, \
         credential: none }}"
    );
    let world = World::before(&section, "{ socket: admin.sock }").await;
    assert_eq!(world.register_as(&public("openid")).await.1["client_id"], CLIENT);
    // Long enough ago to be looked for at the server first.
    let client = turn_at(&world, CLIENT).await;
    end_turn(&world, &ClientRecord { confirmed_at: Timestamp::from_unix_millis(0), ..client }).await;
    // The first may have rotated the token; the second came from whatever stands before the server; then the token is no good.
    for status in [500, 429, 401] {
        looked_at.store(status, Ordering::SeqCst);
        let (answered, told) = world.register_as(&public("openid")).await;
        assert_eq!((answered, &told["client_id"]), (201, &json!(CLIENT)), "{status}: {told}");
    }
    let client = world.store.client(CLIENT).await.unwrap().unwrap();
    assert!(client.unmanageable && client.lifecycle.state().is_live(), "{client:?}");
}
