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

/// One operation.
pub(super) struct Operation {
    /// Its name in the document.
    pub(super) id: &'static str,
    pub(super) verb: Verb,
    /// As axum and OpenAPI write it: `{name}` stands for one segment.
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    /// Who may.
    pub(super) role: Role,
    /// The members of its query; each stands there once.
    pub(super) query: Option<Shape>,
    pub(super) body: Body,
    pub(super) success: Success,
    /// It changes something that has a version: `If-Match` names the one that was looked at.
    pub(super) needs_version: bool,
    pub(super) handler: fn(MethodFilter) -> MethodRouter<Arc<Api>>,
}

impl Operation {
    /// One that reads.
    pub(super) fn reading(
        (id, path): (&'static str, &'static str),
        summary: &'static str,
        success: Success,
        handler: fn(MethodFilter) -> MethodRouter<Arc<Api>>,
    ) -> Self {
        let (verb, role, query, body, needs_version) = (Verb::Get, Role::Viewer, None, Body::None, false);
        Self { id, verb, path, summary, role, query, body, success, needs_version, handler }
    }

    /// One that changes something, which this role may.
    pub(super) fn changing(
        (id, verb, path): (&'static str, Verb, &'static str),
        (role, summary): (Role, &'static str),
        success: Success,
        handler: fn(MethodFilter) -> MethodRouter<Arc<Api>>,
    ) -> Self {
        Self { verb, role, ..Self::reading((id, path), summary, success, handler) }
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
