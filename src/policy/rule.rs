//! The closed list of rules, in the order they are run; a snapshot test pins it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a rule, as documents, metrics and answers write it. The order of the variants is the order the rules are run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleName {
    /// Every member is of the type its specification says.
    WellFormed,
    /// Members that only a server may assign are not asked for.
    ServerAssigned,
    /// A verified software statement took precedence; the redirect URIs are among those it names.
    SoftwareStatement,
    /// `redirect_uris` are of the kinds, hosts and schemes the profile names.
    RedirectUris,
    /// `grant_types` are among those the profile allows.
    GrantTypes,
    /// `response_types` are among those the profile allows.
    ResponseTypes,
    /// Grant types, response types and redirect URIs fit each other (RFC 7591 §2.1).
    GrantConsistency,
    /// `token_endpoint_auth_method` is allowed, and what it needs is there.
    TokenEndpointAuthMethod,
    /// `application_type` is allowed, and fits the redirect URIs.
    ApplicationType,
    /// `client_name`, in every language, is readable and nobody else's.
    ClientName,
    /// URL members are https, and name public hosts.
    Urls,
    /// `jwks` and `jwks_uri` exclude each other; the keys are public, strong, and for what keys of their kind do.
    Jwks,
    /// `contacts` read as ways to reach people, and harm nobody who opens them.
    Contacts,
    /// `software_id`, `software_version`; an unverified `software_statement`.
    Software,
    /// Algorithms, flags and ages.
    PlainMembers,
    /// Members no specification defines are left out.
    UnknownMembers,
    /// `scope` and `authorization_details_types` are brought down to what the profile grants.
    Scopes,
    /// The kind of authorization server can register it; only where the kind has rules of its own, and on what all the others admit.
    AuthorizationServer,
}

impl RuleName {
    /// Every rule, in the order they are run.
    pub const ALL: [Self; 18] = [
        Self::WellFormed,
        Self::ServerAssigned,
        Self::SoftwareStatement,
        Self::RedirectUris,
        Self::GrantTypes,
        Self::ResponseTypes,
        Self::GrantConsistency,
        Self::TokenEndpointAuthMethod,
        Self::ApplicationType,
        Self::ClientName,
        Self::Urls,
        Self::Jwks,
        Self::Contacts,
        Self::Software,
        Self::PlainMembers,
        Self::UnknownMembers,
        Self::Scopes,
        Self::AuthorizationServer,
    ];

    /// The name as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WellFormed => "well_formed",
            Self::ServerAssigned => "server_assigned",
            Self::SoftwareStatement => "software_statement",
            Self::RedirectUris => "redirect_uris",
            Self::GrantTypes => "grant_types",
            Self::ResponseTypes => "response_types",
            Self::GrantConsistency => "grant_consistency",
            Self::TokenEndpointAuthMethod => "token_endpoint_auth_method",
            Self::ApplicationType => "application_type",
            Self::ClientName => "client_name",
            Self::Urls => "urls",
            Self::Jwks => "jwks",
            Self::Contacts => "contacts",
            Self::Software => "software",
            Self::PlainMembers => "plain_members",
            Self::UnknownMembers => "unknown_members",
            Self::Scopes => "scopes",
            Self::AuthorizationServer => "authorization_server",
        }
    }
}

impl std::fmt::Display for RuleName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_rules_is_pinned() {
        let names: Vec<&str> = RuleName::ALL.iter().map(|rule| rule.as_str()).collect();
        insta::assert_snapshot!(names.join("\n"), @r"
        well_formed
        server_assigned
        software_statement
        redirect_uris
        grant_types
        response_types
        grant_consistency
        token_endpoint_auth_method
        application_type
        client_name
        urls
        jwks
        contacts
        software
        plain_members
        unknown_members
        scopes
        authorization_server
        ");
        assert!(RuleName::ALL.is_sorted(), "the list and the variants are in the same order");
    }

    #[test]
    fn a_rule_is_written_the_same_everywhere() {
        for rule in RuleName::ALL {
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
        }
    }
}
