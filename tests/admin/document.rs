//! The OpenAPI document is true: what it says is there, and what is there it says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::World;

/// Method, path and role of every operation, as the document has them.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, methods): (&String, &Value)| {
        let path = path.clone();
        let methods = methods.as_object().unwrap().clone().into_iter();
        methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation)).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

#[tokio::test]
async fn every_operation_is_in_it_and_nothing_else() {
    let world = World::start().await;
    let document = world.ask("GET", "/v1/openapi.json").await.body;
    assert_eq!(document["openapi"], "3.1.0");
    let listed: Vec<String> = operations(&document)
        .iter()
        .map(|(method, path, it)| format!("{method} {path} {}", it["operationId"]))
        .collect();
    insta::assert_snapshot!(listed.join("\n"), @r#"
    GET /v1/audit "listAuditRecords"
    GET /v1/audit/chains "listAuditChains"
    GET /v1/bans "listBans"
    POST /v1/bans "addBan"
    DELETE /v1/bans/{id} "liftBan"
    GET /v1/clients "listClients"
    DELETE /v1/clients/{client_id} "deleteClient"
    GET /v1/clients/{client_id} "getClient"
    POST /v1/clients/{client_id}/approve "approveClient"
    POST /v1/clients/{client_id}/elevate "elevateClient"
    POST /v1/clients/{client_id}/reject "rejectClient"
    POST /v1/clients/{client_id}/resume "resumeClient"
    GET /v1/clients/{client_id}/review "reviewClient"
    POST /v1/clients/{client_id}/suspend "suspendClient"
    GET /v1/findings "listFindings"
    GET /v1/import "listExistingClients"
    POST /v1/import "importClients"
    GET /v1/keys "getCurrentKey"
    DELETE /v1/lockdown "liftLockdown"
    GET /v1/lockdown "getLockdown"
    PUT /v1/lockdown "lockDown"
    GET /v1/openapi.json "getDocument"
    GET /v1/registrations "listRegistrations"
    GET /v1/registrations/{id} "getRegistration"
    POST /v1/registrations/{id}/resolve "resolveRegistration"
    GET /v1/requests "listRequests"
    GET /v1/requests/{id} "getRequest"
    GET /v1/tokens "listTokens"
    POST /v1/tokens "createToken"
    POST /v1/tokens/{id}/revoke "revokeToken"
    GET /v1/unused-clients "listUnusedClients"
    POST /v1/unused-clients/expire "expireUnusedClients"
    "#);
    // Every method of every path, asked: only what is documented is not 405.
    let paths: BTreeSet<String> = operations(&document).into_iter().map(|(_, path, _)| path).collect();
    let documented: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    for path in paths {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = world.ask(method, &path.replace(['{', '}'], "")).await;
            let is_there = answer.status != 405;
            assert_eq!(is_there, documented.contains(&(method.to_owned(), path.clone())), "{method} {path}");
            // Not the answer of a path that is none.
            let detail = answer.body["detail"].as_str().unwrap_or_default();
            assert!(!detail.starts_with("there is nothing at"), "{method} {path}: {detail}");
        }
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_parameter_is_described() {
    let world = World::start().await;
    let document = world.ask("GET", "/v1/openapi.json").await.body;
    let mut pending = vec![&document];
    let mut references = 0;
    while let Some(value) = pending.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            references += 1;
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        match value {
            Value::Object(members) => pending.extend(members.values()),
            Value::Array(entries) => pending.extend(entries),
            _ => {}
        }
    }
    assert!(references > 20, "{references} references");
    for (method, path, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().unwrap() {
            let is_path = parameter["in"] == "path";
            assert!(is_path || parameter["description"].is_string(), "{method} {path}: {parameter}");
            assert!(parameter["schema"].is_object(), "{method} {path}: {parameter}");
        }
        let named = path.matches('{').count();
        let parameters = operation["parameters"].as_array().unwrap();
        assert_eq!(parameters.iter().filter(|parameter| parameter["in"] == "path").count(), named, "{path}");
    }
}

#[tokio::test]
async fn an_answer_has_the_members_that_the_document_says() {
    let world = World::start().await;
    let client = world.register("Orders").await;
    world.post("/v1/tokens", &json!({ "profile": "partners", "lifetime": "1h" })).await;
    let document = world.ask("GET", "/v1/openapi.json").await.body;
    let id = client["client_id"].as_str().unwrap();
    let shown = [
        ("Client", world.ask("GET", &format!("/v1/clients/{id}")).await.body),
        ("Registration", world.ask("GET", "/v1/registrations").await.body["registrations"][0].clone()),
        ("Token", world.ask("GET", "/v1/tokens").await.body["tokens"][0].clone()),
        ("Problem", world.ask("GET", "/v1/clients/none").await.body),
        ("CurrentKey", world.ask("GET", "/v1/keys").await.body),
    ];
    for (name, answer) in shown {
        let schema = &document["components"]["schemas"][name];
        let described = schema["properties"].as_object().unwrap_or_else(|| panic!("{name}: {schema}"));
        let answer = answer.as_object().unwrap();
        for member in answer.keys() {
            assert!(described.contains_key(member), "{name} has {member}, and the document does not say so");
        }
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(answer.contains_key(required), "{name} lacks {required}");
        }
    }
}

#[tokio::test]
async fn a_change_of_a_client_is_documented_to_need_a_version() {
    let world = World::start().await;
    let document = world.ask("GET", "/v1/openapi.json").await.body;
    for (method, path, operation) in operations(&document) {
        let changes_a_client = path.starts_with("/v1/clients/") && method != "GET";
        let parameters = operation["parameters"].as_array().unwrap();
        let has_version = parameters.iter().any(|parameter| parameter["name"] == "If-Match");
        assert_eq!(has_version, changes_a_client, "{method} {path}");
        if changes_a_client {
            let answer = world.ask(&method, &path.replace(['{', '}'], "")).await;
            assert_eq!(answer.status, 428, "{method} {path}");
        }
    }
}
