//! One operation of the API: everything the routes and the OpenAPI document have to know about it.

use std::sync::Arc;

use axum::routing::{MethodFilter, MethodRouter};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::Api;
use crate::admin::role::Role;

/// How it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    pub(super) const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }

    /// As OpenAPI writes it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Delete => "delete",
        }
    }
}

/// Makes the schema of a type.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// The shape of a type.
pub(super) fn shape<T: JsonSchema>() -> Shape {
    |generator| generator.subschema_for::<T>()
}

/// What a request may carry in its body.
pub(super) enum Body {
    None,
    Optional(Shape),
    Required(Shape),
}

/// What comes when all is well.
pub(super) enum Success {
    /// 200 with this.
    Shown(Shape),
    /// 200 with this, and its version as `ETag`.
    Versioned(Shape),
    /// 201 with this.
    Created(Shape),
    /// 204.
    Nothing,
}

/// Where an operation is asked, and who may.
pub(super) struct Endpoint {
    /// The operation's name in the document.
    pub(super) id: &'static str,
    pub(super) verb: Verb,
    /// As axum and OpenAPI write it: `{name}` stands for one segment.
    pub(super) path: &'static str,
    /// Who may.
    pub(super) role: Role,
}

impl Endpoint {
    /// Of one that reads.
    pub(super) const fn reading(id: &'static str, path: &'static str) -> Self {
        Self { id, verb: Verb::Get, path, role: Role::Viewer }
    }

    /// Of one that changes something, which this role may.
    pub(super) const fn changing(id: &'static str, verb: Verb, path: &'static str, role: Role) -> Self {
        Self { id, verb, path, role }
    }
}

/// One operation.
pub(super) struct Operation {
    pub(super) endpoint: Endpoint,
    pub(super) summary: &'static str,
    /// The members of its query; each stands there once.
    pub(super) query: Option<Shape>,
    pub(super) body: Body,
    pub(super) success: Success,
    /// It changes something that has a version: `If-Match` names the one that was looked at.
    pub(super) needs_version: bool,
    pub(super) handler: fn(MethodFilter) -> MethodRouter<Arc<Api>>,
}

impl Operation {
    /// One without a query and a body.
    pub(super) fn at(
        endpoint: Endpoint,
        summary: &'static str,
        success: Success,
        handler: fn(MethodFilter) -> MethodRouter<Arc<Api>>,
    ) -> Self {
        Self { endpoint, summary, query: None, body: Body::None, success, needs_version: false, handler }
    }

    /// The same, with these members of a query.
    pub(super) fn with_query(self, query: Shape) -> Self {
        Self { query: Some(query), ..self }
    }

    /// The same, with this in the body.
    pub(super) fn with_body(self, body: Body) -> Self {
        Self { body, ..self }
    }
}
