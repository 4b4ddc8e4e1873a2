//! `/v1/openapi.json`: what can be asked, as OpenAPI 3.1, from the same list and the same types as the routes.

use axum::Json;
use axum::routing::on;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::operation::{Body, Endpoint, Operation, Shape, Success};
use super::operations;
use crate::admin::problem::ProblemDocument;

pub(super) fn operation() -> Operation {
    let any: Shape = |_| Schema::from(true);
    Operation::at(Endpoint::reading("getDocument", "/v1/openapi.json"), "This document", Success::Shown(any), |verb| {
        on(verb, async || Json(document()))
    })
}

/// The document.
fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<ProblemDocument>();
    let mut paths = Map::new();
    for operation in operations() {
        let described = describe(&operation, &mut generator);
        let path = paths.entry(operation.endpoint.path).or_insert_with(|| json!({}));
        path[operation.endpoint.verb.as_str()] = described;
    }
    let content = json!({ "application/problem+json": { "schema": problem } });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "dcr-gateway admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Clients, registrations and initial access tokens of a dcr-gateway. Over the Unix socket the kernel says who \
                asks; over TCP a bearer token does.",
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "responses": { "Problem": { "description": "It was not done, and why (RFC 9457)", "content": content } },
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        "security": [{}, { "token": [] }],
    })
}

fn describe(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut parameters = path_parameters(operation.endpoint.path);
    if let Some(shape) = operation.query {
        parameters.extend(query_parameters(shape, generator));
    }
    if operation.needs_version {
        parameters.push(json!({
            "name": "If-Match",
            "in": "header",
            "required": true,
            "description": "The ETag of what was looked at, or * for whatever it is now.",
            "schema": { "type": "string" },
        }));
    }
    let mut described = json!({
        "operationId": operation.endpoint.id,
        "summary": operation.summary,
        "description": format!("For the role {} and above.", operation.endpoint.role.as_str()),
        "parameters": parameters,
        "responses": {
            (success_status(&operation.success)): success(&operation.success, generator),
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    let body = match operation.body {
        Body::None => None,
        Body::Optional(shape) => Some(json!({ "content": content(shape, generator) })),
        Body::Required(shape) => Some(json!({ "required": true, "content": content(shape, generator) })),
    };
    if let Some(body) = body {
        described["requestBody"] = body;
    }
    described
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let parameter =
        |name: &str| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
    names.map(parameter).collect()
}

/// The members of a query's type, each as a parameter.
fn query_parameters(shape: Shape, generator: &mut SchemaGenerator) -> Vec<Value> {
    let reference = shape(generator);
    let name = reference.get("$ref").and_then(Value::as_str).and_then(|reference| reference.rsplit('/').next());
    let schema = match name {
        Some(name) => generator.definitions().get(name).cloned().unwrap_or_default(),
        None => reference.to_value(),
    };
    let members = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        json!({ "name": name, "in": "query", "description": description, "schema": schema })
    };
    members.into_iter().map(parameter).collect()
}

const fn success_status(success: &Success) -> &'static str {
    match success {
        Success::Shown(_) | Success::Versioned(_) => "200",
        Success::Created(_) => "201",
        Success::Nothing => "204",
    }
}

fn success(success: &Success, generator: &mut SchemaGenerator) -> Value {
    match success {
        Success::Shown(shape) | Success::Created(shape) => {
            json!({ "description": "Done", "content": content(*shape, generator) })
        }
        Success::Versioned(shape) => {
            let tag = json!({ "description": "The version, for If-Match.", "schema": { "type": "string" } });
            json!({ "description": "Done", "headers": { "ETag": tag }, "content": content(*shape, generator) })
        }
        Success::Nothing => json!({ "description": "Done" }),
    }
}

fn content(shape: Shape, generator: &mut SchemaGenerator) -> Value {
    json!({ "application/json": { "schema": shape(generator) } })
}
