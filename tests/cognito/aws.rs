//! A stand-in for Cognito's API: keeps app clients as AWS does, and resets on every update what the update leaves out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What was called, and with what.
#[derive(Debug, Clone)]
pub struct Call {
    pub operation: String,
    pub input: Value,
    pub signed: bool,
}

#[derive(Default)]
pub struct Pool {
    pub calls: Mutex<Vec<Call>>,
    pub clients: Mutex<BTreeMap<String, Value>>,
    /// The next answers, each instead of doing what was asked for: a status and a body.
    pub instead: Mutex<Vec<(u16, Value)>>,
}

impl Pool {
    /// The inputs of the calls of one operation.
    pub fn inputs(&self, operation: &str) -> Vec<Value> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.operation == operation).map(|call| call.input.clone()).collect()
    }

    pub fn answer_next(&self, status: u16, code: &str, message: &str) {
        self.instead.lock().unwrap().push((status, json!({"__type": code, "message": message})));
    }
}

/// Starts it; the URL and what it keeps.
pub async fn start() -> (String, Arc<Pool>) {
    let pool = Arc::new(Pool::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(pool.clone());
    tokio::spawn(axum::serve(listener, router).into_future());
    (url, pool)
}

async fn answer(State(pool): State<Arc<Pool>>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let operation = text("x-amz-target").rsplit('.').next().unwrap_or_default().to_owned();
    let input: Value = serde_json::from_slice(&body).unwrap();
    let signed = text("authorization").starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/");
    pool.calls.lock().unwrap().push(Call { operation: operation.clone(), input: input.clone(), signed });
    let instead = pool.instead.lock().unwrap().pop();
    let (status, body) = instead.unwrap_or_else(|| pool.perform(&operation, &input));
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("content-type", "application/x-amz-json-1.1")], body.to_string()).into_response()
}

impl Pool {
    fn perform(&self, operation: &str, input: &Value) -> (u16, Value) {
        let mut clients = self.clients.lock().unwrap();
        let id = input["ClientId"].as_str().unwrap_or_default();
        let absent =
            || (400, json!({"__type": "ResourceNotFoundException", "message": "User pool client x does not exist."}));
        match operation {
            "CreateUserPoolClient" => {
                let id = format!("client{}", clients.len() + 1);
                let mut client = input.clone();
                client["ClientId"] = id.clone().into();
                client["CreationDate"] = 1_700_000_000.into();
                if client["GenerateSecret"] == true {
                    client["ClientSecret"] = "s3cret".into();
                }
                client.as_object_mut().unwrap().remove("GenerateSecret");
                clients.insert(id, client.clone());
                (200, json!({"UserPoolClient": client}))
            }
            "DescribeUserPoolClient" => {
                clients.get(id).map_or_else(absent, |client| (200, json!({"UserPoolClient": client})))
            }
            "UpdateUserPoolClient" => {
                let Some(client) = clients.get_mut(id) else { return absent() };
                let kept = ["ClientSecret", "CreationDate"].map(|name| (name, client[name].clone()));
                *client = input.clone();
                for (name, value) in kept.into_iter().filter(|(_, value)| !value.is_null()) {
                    client[name] = value;
                }
                (200, json!({"UserPoolClient": client}))
            }
            "DeleteUserPoolClient" => clients.remove(id).map_or_else(absent, |_| (200, json!({}))),
            "ListUserPoolClients" => {
                // AWS lists names alone, and pages.
                let first: usize = input["NextToken"].as_str().map_or(0, |text| text.parse().unwrap());
                let most = usize::try_from(input["MaxResults"].as_u64().unwrap()).unwrap();
                let listed = clients.values().skip(first).take(most).map(|client| {
                    json!({"ClientId": client["ClientId"], "UserPoolId": "eu-central-1_x", "ClientName": client["ClientName"]})
                });
                let mut answer = json!({"UserPoolClients": listed.collect::<Vec<_>>()});
                if first + most < clients.len() {
                    answer["NextToken"] = (first + most).to_string().into();
                }
                (200, answer)
            }
            "ListResourceServers" => {
                let first = json!({"Identifier": "orders", "Name": "o", "Scopes": [{"ScopeName": "read", "ScopeDescription": "r"}]});
                let second = json!({"Identifier": "https://api.example.com/v1", "Name": "a", "Scopes": [{"ScopeName": "x", "ScopeDescription": "x"}]});
                match input["NextToken"].as_str() {
                    None => (200, json!({"ResourceServers": [first], "NextToken": "more"})),
                    Some(_) => (200, json!({"ResourceServers": [second]})),
                }
            }
            other => (400, json!({"__type": "UnknownOperationException", "message": other})),
        }
    }
}
