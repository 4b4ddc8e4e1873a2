//! What Cognito can register: AWS's limits and rules, said in our sentences before anything is sent. Pure.

use serde_json::Value;

use super::names;
use crate::policy::{Clearance, Report};
use crate::registration::excerpt::Excerpt;
use crate::registration::redirect_uri::{RedirectUri, RedirectUriKind};
use crate::registration::{ErrorCode, json};

/// AWS: CallbackURLs and LogoutURLs hold at most 100 entries of at most 1024 characters.
const MOST_URLS: usize = 100;
const LONGEST_URL: usize = 1024;

/// AWS: AllowedOAuthScopes holds at most 50 entries of at most 256 characters.
const MOST_SCOPES: usize = 50;
const LONGEST_SCOPE: usize = 256;

const METHODS: [&str; 3] = ["none", "client_secret_basic", "client_secret_post"];
const GRANTS: [&str; 3] = ["authorization_code", "refresh_token", "client_credentials"];

/// Scopes that every user pool has; all others are `identifier/name` of a resource server.
pub(super) const STANDARD_SCOPES: [&str; 5] = ["openid", "email", "phone", "profile", "aws.cognito.signin.user.admin"];

/// Members that promise what Cognito does not do: left out silently they would be believed.
const NOT_DONE: [&str; 6] = [
    "require_pushed_authorization_requests",
    "dpop_bound_access_tokens",
    "tls_client_certificate_bound_access_tokens",
    "require_signed_request_object",
    "backchannel_logout_session_required",
    "frontchannel_logout_session_required",
];

/// The rule of the kind.
pub fn check(clearance: &Clearance, report: &mut Report<'_>) {
    let metadata = clearance.metadata();
    check_urls(clearance, report);
    let grants = json::texts_of(metadata, "grant_types").collect::<Vec<_>>();
    let method = json::text_of(metadata, "token_endpoint_auth_method").unwrap_or("client_secret_basic");
    for (index, grant) in grants.iter().enumerate().filter(|(_, grant)| !GRANTS.contains(grant)) {
        report.refuse(&format!("grant_types[{index}]"), format_args!("Cognito has no grant {}", Excerpt(grant)));
    }
    for (index, response) in json::texts_of(metadata, "response_types").enumerate() {
        if response != "code" {
            report.refuse(
                &format!("response_types[{index}]"),
                format_args!("Cognito answers with a code, not with {}", Excerpt(response)),
            );
        }
    }
    if !METHODS.contains(&method) {
        report.refuse(
            "token_endpoint_auth_method",
            format_args!(
                "Cognito knows none, client_secret_basic and client_secret_post at its token endpoint, not {}",
                Excerpt(method)
            ),
        );
    }
    if grants.contains(&"client_credentials") {
        check_machine(&grants, method, clearance, report);
    }
    check_scopes(clearance, report);
    for member in NOT_DONE.into_iter().filter(|member| metadata.get(*member) == Some(&Value::Bool(true))) {
        report.refuse(member, "Cognito cannot do this");
    }
    if let Some(name) = json::text_of(metadata, "client_name") {
        let fitted = names::client_name(Some(name), "…");
        report.note("client_name", format_args!("the app client is called {}", Excerpt(&fitted)));
    }
}

fn check_urls(clearance: &Clearance, report: &mut Report<'_>) {
    let uris = clearance.redirect_uris();
    if uris.len() > MOST_URLS {
        report.refuse_as(
            ErrorCode::InvalidRedirectUri,
            "redirect_uris",
            format_args!("Cognito takes {MOST_URLS} at most, not {}", uris.len()),
        );
    }
    for (index, uri) in uris.iter().enumerate() {
        check_url(uri, &format!("redirect_uris[{index}]"), report);
    }
    let after_logout = json::texts_of(clearance.metadata(), "post_logout_redirect_uris").collect::<Vec<_>>();
    if after_logout.len() > MOST_URLS {
        report.refuse(
            "post_logout_redirect_uris",
            format_args!("Cognito takes {MOST_URLS} at most, not {}", after_logout.len()),
        );
    }
    for (index, uri) in after_logout.iter().enumerate() {
        match RedirectUri::parse(uri) {
            Ok(uri) => check_url(&uri, &format!("post_logout_redirect_uris[{index}]"), report),
            Err(problem) => report.refuse(&format!("post_logout_redirect_uris[{index}]"), problem),
        }
    }
}

fn check_url(uri: &RedirectUri, place: &str, report: &mut Report<'_>) {
    let mut refuse = |problem: &dyn std::fmt::Display| {
        report.refuse_as(ErrorCode::InvalidRedirectUri, place, problem);
    };
    if uri.as_str().len() > LONGEST_URL {
        refuse(&format_args!("is longer than the {LONGEST_URL} characters that Cognito takes"));
    }
    match uri.kind() {
        RedirectUriKind::Http(_) => refuse(&"Cognito takes plain http on a loopback host only"),
        RedirectUriKind::Loopback(target) if !is_known_loopback(&target.host.to_string()) => {
            refuse(&"Cognito takes plain http on localhost, 127.0.0.1 and [::1] only");
        }
        RedirectUriKind::Loopback(_) | RedirectUriKind::Https(_) | RedirectUriKind::PrivateUse { .. } => {}
    }
}

fn is_known_loopback(host: &str) -> bool {
    ["localhost", "127.0.0.1", "::1", "[::1]"].contains(&host)
}

/// A client that acts for nobody: a secret, no other grant, and scopes of resource servers only.
fn check_machine(grants: &[&str], method: &str, clearance: &Clearance, report: &mut Report<'_>) {
    if method == "none" {
        report
            .refuse("token_endpoint_auth_method", "Cognito has the grant client_credentials for clients with a secret");
    }
    if grants.contains(&"authorization_code") {
        report.refuse("grant_types", "Cognito has the grant client_credentials for clients with no other grant");
    }
    for scope in clearance.scopes().granted.iter().filter(|scope| STANDARD_SCOPES.contains(&scope.as_str())) {
        let scope = Excerpt(scope.as_str());
        report
            .refuse("scope", format_args!("{scope} is for users; client_credentials takes scopes of resource servers"));
    }
}

fn check_scopes(clearance: &Clearance, report: &mut Report<'_>) {
    let granted = &clearance.scopes().granted;
    if granted.is_empty() {
        report.refuse("scope", "none is granted, and Cognito registers no client without one");
    }
    let count = granted.iter().count();
    if count > MOST_SCOPES {
        report.refuse("scope", format_args!("Cognito takes {MOST_SCOPES} at most, not {count}"));
    }
    for scope in granted.iter().map(|scope| scope.as_str()) {
        let is_of_a_resource_server =
            scope.rsplit_once('/').is_some_and(|(server, name)| !server.is_empty() && !name.is_empty());
        if scope.len() > LONGEST_SCOPE {
            report.refuse("scope", format_args!("{} is longer than {LONGEST_SCOPE} characters", Excerpt(scope)));
        } else if !STANDARD_SCOPES.contains(&scope) && !is_of_a_resource_server {
            let scope = Excerpt(scope);
            report.refuse(
                "scope",
                format_args!(
                    "{scope} is none of Cognito's, and not written resource-server/name as those of a pool are"
                ),
            );
        }
    }
}
