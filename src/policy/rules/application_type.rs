//! `application_type` (OpenID Connect Registration §2): what is allowed, and what is sent when a client names none.
//! A loopback or private-use redirect URI that the profile allows passes whatever the type: real clients send such ones as `web`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::report::Report;
use crate::policy::settings::SettingProblem;
use crate::registration::ClientMetadata;
use crate::registration::excerpt::Excerpt;
use crate::registration::grant::{ApplicationType, GrantType};
use crate::registration::redirect_uri::{RedirectUri, RedirectUriKind};

/// What a client may say it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationTypeSettings {
    /// The types a client may name. Default: web, native. What the authorization server has besides can be listed, in lower case: Okta's
    /// `service` and `browser`.
    #[serde(default)]
    pub allowed: Option<Vec<String>>,
    /// Whether `native` is sent for a client that names no type and has a loopback or private-use redirect URI:
    /// servers that take the specification's default, `web`, refuse these. Default: false; the `mcp` preset: true.
    #[serde(default)]
    pub infer: Option<bool>,
}

/// The compiled rule.
#[derive(Debug, Clone)]
pub(in crate::policy) struct ApplicationTypeRule {
    allowed: Vec<ApplicationType>,
    infer: bool,
}

/// What a type has to fit.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy) struct Redirection<'a> {
    /// The admitted redirect URIs.
    pub uris: &'a [RedirectUri],
    /// The grants the client would have.
    pub grants: &'a [GrantType],
}

impl ApplicationTypeRule {
    pub(in crate::policy) fn compile(
        settings: Option<&ApplicationTypeSettings>,
        problems: &mut Vec<SettingProblem>,
    ) -> Self {
        let infer = settings.and_then(|settings| settings.infer).unwrap_or(false);
        let Some(written) = settings.and_then(|settings| settings.allowed.as_ref()) else {
            return Self { allowed: vec![ApplicationType::Web, ApplicationType::Native], infer };
        };
        let allowed: Vec<ApplicationType> = written.iter().map(|word| ApplicationType::parse(word)).collect();
        for (index, kind) in allowed.iter().enumerate() {
            if let ApplicationType::Other(word) = kind
                && !is_word(word)
            {
                let place = format!("application_type.allowed[{index}]");
                problems.push(SettingProblem::new(
                    place,
                    format!("{word:?} is not an application type"),
                    "write web, native, or a type of the authorization server's in lower case",
                ));
            }
        }
        Self { allowed, infer }
    }

    /// The type that is sent; none when none was asked for and none follows from the redirect URIs.
    pub(in crate::policy) fn check(
        &self,
        requested: &ClientMetadata,
        Redirection { uris, grants }: Redirection<'_>,
        report: &mut Report<'_>,
    ) -> Option<ApplicationType> {
        let kind = match &requested.application_type {
            Some(asked) => {
                if !self.allowed.contains(asked) {
                    report.refuse_unlisted("application_type", asked.as_str());
                }
                Some(asked.clone())
            }
            None => self.inferred(uris, report),
        };
        // OpenID Connect Registration §2: web clients using the implicit grant register https URIs only, and not localhost.
        if kind.as_ref().unwrap_or(&ApplicationType::Web) == &ApplicationType::Web
            && grants.contains(&GrantType::Implicit)
        {
            for uri in uris {
                if uri.web_target().is_none() {
                    let uri = Excerpt(uri.as_str());
                    report.refuse(
                        "application_type",
                        format!("a web client with the implicit grant needs https, not {uri}"),
                    );
                }
            }
        }
        kind
    }

    fn inferred(&self, redirect_uris: &[RedirectUri], report: &mut Report<'_>) -> Option<ApplicationType> {
        let native =
            |uri: &RedirectUri| matches!(uri.kind(), RedirectUriKind::Loopback(_) | RedirectUriKind::PrivateUse { .. });
        if !self.infer || !self.allowed.contains(&ApplicationType::Native) || !redirect_uris.iter().any(native) {
            return None;
        }
        report.note(
            "application_type",
            "none was asked for, \"native\" is sent because a redirect URI is loopback or private-use",
        );
        Some(ApplicationType::Native)
    }
}

/// Whether it is written as a type is: OpenID Connect Registration §2 defines two and closes no list.
fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rule::RuleName;

    fn check(settings: &str, asked: Option<&str>, uris: &[&str], grants: &[GrantType]) -> (Option<String>, usize) {
        let rule = ApplicationTypeRule::compile(Some(&serde_yaml::from_str(settings).unwrap()), &mut Vec::new());
        let application_type = asked.map(ApplicationType::parse);
        let requested = ClientMetadata { application_type, ..Default::default() };
        let uris: Vec<RedirectUri> = uris.iter().map(|text| RedirectUri::parse(text).unwrap()).collect();
        let mut report = Report::new(RuleName::ApplicationType, "partners");
        let kind = rule.check(&requested, Redirection { uris: &uris, grants }, &mut report);
        (kind.map(|kind| kind.as_str().to_owned()), report.into_outcome().violations.len())
    }

    #[test]
    fn loopback_and_private_use_pass_whatever_the_type() {
        let code = [GrantType::AuthorizationCode];
        for asked in [None, Some("web"), Some("native")] {
            for uri in
                ["http://127.0.0.1/cb", "http://localhost:8787/callback", "cursor://host/cb", "https://app.example/cb"]
            {
                assert_eq!(check("{}", asked, &[uri], &code), (asked.map(str::to_owned), 0), "{asked:?} {uri}");
            }
        }
    }

    #[test]
    fn native_is_inferred_where_the_profile_says_so() {
        let native = Some("native".to_owned());
        assert_eq!(
            check("{infer: true}", None, &["https://app.example/cb", "http://localhost/cb"], &[]),
            (native.clone(), 0)
        );
        assert_eq!(check("{infer: true}", None, &["cursor://host/cb"], &[]), (native, 0));
        assert_eq!(check("{infer: true}", None, &["https://app.example/cb"], &[]), (None, 0));
        assert_eq!(check("{infer: true}", Some("web"), &["http://localhost/cb"], &[]), (Some("web".to_owned()), 0));
        assert_eq!(check("{infer: true, allowed: [web]}", None, &["http://localhost/cb"], &[]), (None, 0));
    }

    #[test]
    fn a_web_client_with_the_implicit_grant_needs_https() {
        let implicit = [GrantType::Implicit];
        assert_eq!(check("{}", None, &["http://localhost/cb"], &implicit).1, 1);
        assert_eq!(check("{}", Some("web"), &["https://app.example/cb"], &implicit).1, 0);
        assert_eq!(check("{}", Some("native"), &["http://localhost/cb"], &implicit).1, 0);
    }

    #[test]
    fn refuses_a_type_that_is_not_allowed() {
        assert_eq!(check("{}", Some("toaster"), &[], &[]).1, 1);
        assert_eq!(check("{allowed: [native]}", Some("web"), &[], &[]).1, 1);
    }

    #[test]
    fn a_type_of_the_servers_own_is_allowed_where_the_operator_lists_it() {
        let settings = "{allowed: [web, native, service, browser]}";
        assert_eq!(
            check(settings, Some("service"), &[], &[GrantType::ClientCredentials]),
            (Some("service".to_owned()), 0)
        );
        let implicit = [GrantType::Implicit];
        assert_eq!(
            check(settings, Some("browser"), &["http://localhost/cb"], &implicit),
            (Some("browser".to_owned()), 0)
        );
        assert_eq!(check(settings, Some("toaster"), &[], &[]).1, 1);
        for (allowed, problems) in
            [("[service, m2m, web_app]", 0), ("[Web]", 1), ("['']", 1), ("['web,native']", 1), ("[native, 2x]", 1)]
        {
            let settings = serde_yaml::from_str(&format!("{{allowed: {allowed}}}")).unwrap();
            let mut found = Vec::new();
            ApplicationTypeRule::compile(Some(&settings), &mut found);
            assert_eq!(found.len(), problems, "{allowed}");
        }
    }
}
