//! One file per rule. What a rule looks at is its name; its settings and its table test are beside it.

pub mod application_type;
pub(super) mod authorization_details;
pub mod client_name;
pub mod contacts;
pub(super) mod grant_consistency;
pub(super) mod grant_types;
pub mod jwks;
pub mod plain_members;
pub mod redirect_uris;
pub(super) mod response_types;
pub(super) mod server_assigned;
pub(super) mod software;
pub(super) mod software_statement;
mod tls_subject;
pub(super) mod token_endpoint_auth_method;
pub(super) mod unknown_members;
pub mod urls;
pub(super) mod well_formed;

use self::application_type::ApplicationTypeRule;
use self::authorization_details::AuthorizationDetailsRule;
use self::client_name::ClientNameRule;
use self::contacts::ContactsRule;
use self::grant_types::GrantTypesRule;
use self::jwks::KeysRule;
use self::plain_members::PlainMembersRule;
use self::redirect_uris::RedirectUriRule;
use self::response_types::ResponseTypesRule;
use self::token_endpoint_auth_method::AuthMethodRule;
use self::urls::UrlsRule;
use super::scopes::ScopesRule;
use super::settings::{ProfileSettings, SettingProblem};

/// The rules of one profile that have settings, compiled; the others are the same for every profile.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub redirect_uris: RedirectUriRule,
    pub grant_types: GrantTypesRule,
    pub response_types: ResponseTypesRule,
    pub token_endpoint_auth_method: AuthMethodRule,
    pub application_type: ApplicationTypeRule,
    pub client_name: ClientNameRule,
    pub urls: UrlsRule,
    pub jwks: KeysRule,
    pub contacts: ContactsRule,
    pub plain_members: PlainMembersRule,
    pub scopes: ScopesRule,
    pub authorization_details: AuthorizationDetailsRule,
}

impl Rules {
    /// Compiles every rule and collects everything that is wrong with the settings.
    pub(super) fn compile(settings: &ProfileSettings, problems: &mut Vec<SettingProblem>) -> Self {
        let redirect_uris = RedirectUriRule::compile(settings.redirect_uris.as_ref(), problems);
        let redirect_hosts = redirect_uris.hosts();
        Self {
            redirect_uris,
            grant_types: GrantTypesRule::compile(settings.grant_types.as_deref(), problems),
            response_types: ResponseTypesRule::compile(
                settings.response_types.as_deref(),
                settings.excess_response_types,
                problems,
            ),
            token_endpoint_auth_method: AuthMethodRule::compile(
                settings.token_endpoint_auth_methods.as_deref(),
                problems,
            ),
            application_type: ApplicationTypeRule::compile(settings.application_type.as_ref(), problems),
            client_name: ClientNameRule::compile(settings.client_name.as_ref(), problems),
            urls: UrlsRule::compile(settings.urls.as_ref(), redirect_hosts, problems),
            jwks: KeysRule::compile(settings.jwks.as_ref(), settings.algorithms.as_ref(), problems),
            contacts: ContactsRule::compile(settings.contacts.as_ref(), problems),
            plain_members: PlainMembersRule::compile(settings.algorithms.as_ref()),
            scopes: ScopesRule::compile(settings, problems),
            authorization_details: AuthorizationDetailsRule::compile(settings),
        }
    }
}
