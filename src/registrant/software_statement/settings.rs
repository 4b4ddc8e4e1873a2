//! The `software_statements` section: whose statements count, and what the gateway must know to read them.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::certificate_binding::CertificateBindingSettings;
use crate::duration::DurationText;
use crate::fetch::Target;
use crate::jose::Algorithm;
use crate::registration::software_statement::{ClaimNames, is_stateable};
use crate::setting_problem::SettingProblem;

/// The `software_statements` section.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SoftwareStatementSettings {
    /// Who may vouch for software. A statement of anybody else is answered `unapproved_software_statement`. Default: nobody.
    pub issuers: Vec<StatementIssuerSettings>,
}

/// One issuer of software statements.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementIssuerSettings {
    /// `iss` of its statements, exactly as it is written in them; directories do not always write a URL.
    pub issuer: String,
    /// A file with its public keys, a JWK Set (RFC 7517 §5). Read again when it changes. Either this or `jwks_url`.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// The URL of its public keys: https, or http to this machine. Fetched when they are needed and kept for as long as the answer says,
    /// at most an hour; another hour when the issuer cannot be reached.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// The algorithms it signs with. Default: RS256, PS256, ES256, EdDSA.
    #[serde(default = "usual_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// `aud` that its statements must have. Default: they must have none (RFC 7519 §4.1.3).
    #[serde(default)]
    pub audience: Option<String>,
    /// How old a statement may be, by its `iat`, which it must then have. Default: any age; its `exp` counts in any case.
    #[serde(default)]
    pub max_age: Option<DurationText>,
    /// What it calls members of client metadata, by the member: `client_name: software_client_name`. A member that is not named is
    /// read from the claim of its own name.
    #[serde(default)]
    pub claims: ClaimNames,
    /// Claims that must be in the client certificate of whoever presents the statement; all of them. Default: none, so that anybody
    /// who has a copy of the statement can present it.
    #[serde(default)]
    pub certificate_bindings: Vec<CertificateBindingSettings>,
    /// The `software_id` of software that may not register here, whatever the issuer says.
    #[serde(default)]
    pub blocked: Vec<String>,
    /// A file with what the issuer took back: one `software_id`, or the `jti` of one statement, in a line; `#` begins a
    /// comment at the start of a line or behind white space. Read again when it changes.
    #[serde(default)]
    pub revoked: Option<PathBuf>,
}

fn usual_algorithms() -> Vec<Algorithm> {
    Algorithm::USUAL.to_vec()
}

impl SoftwareStatementSettings {
    /// Everything that is wrong with it but the files that it names; places are below `software_statements`.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        let mut first = HashMap::new();
        for (index, issuer) in self.issuers.iter().enumerate() {
            let place = format!("issuers[{index}]");
            let other = *first.entry(issuer.issuer.as_str()).or_insert(index);
            if other != index {
                let reason = format!("{:?} is issuers[{other}] already", issuer.issuer);
                problems.push(SettingProblem::new(format!("{place}.issuer"), reason, "write each issuer once"));
            }
            issuer.add_problems(&place, &mut problems);
        }
        problems
    }
}

impl StatementIssuerSettings {
    fn add_problems(&self, place: &str, problems: &mut Vec<SettingProblem>) {
        let mut add = |key: &str, reason: String, hint: &str| {
            problems.push(SettingProblem::new(format!("{place}.{key}"), reason, hint));
        };
        if self.issuer.is_empty() {
            add("issuer", "is empty".to_owned(), "write the iss of its statements");
        }
        match (&self.jwks_file, &self.jwks_url) {
            (Some(_), None) => {}
            (None, Some(url)) => {
                if let Err(reason) = Target::configured(url) {
                    add("jwks_url", reason, "");
                }
            }
            (None, None) => add("jwks_file", "is missing, and so is jwks_url".to_owned(), "name its JWK Set"),
            (Some(_), Some(_)) => add("jwks_file", "is there beside jwks_url".to_owned(), "write one of the two"),
        }
        if self.algorithms.is_empty() {
            add("algorithms", "the list is empty: nothing could be verified".to_owned(), "leave it out, or name some");
        }
        if self.max_age.is_some_and(|age| age.0.is_zero()) {
            add("max_age", "no statement could be that young".to_owned(), "write 1s or more, or leave it out");
        }
        for (member, claim) in &self.claims {
            if !is_stateable(member) {
                let reason = format!("{member:?} is no member of client metadata that a statement can hold");
                add(&format!("claims.{member}"), reason, "write the member first, the directory's claim behind it");
            } else if claim.is_empty() {
                add(&format!("claims.{member}"), "is empty".to_owned(), "write the directory's name for it");
            }
        }
        let mut seen = HashSet::new();
        for (index, id) in self.blocked.iter().enumerate() {
            if id.is_empty() || !seen.insert(id) {
                let reason = format!("{id:?} is empty or stands there twice");
                add(&format!("blocked[{index}]"), reason, "write each software_id once");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_with_the_settings_is_told_at_once() {
        let yaml = "issuers:
- { issuer: a, jwks_file: a, algorithms: [], max_age: 0s, claims: { client_id: x, client_name: '', redirect_uris: uris } }
- { issuer: a, jwks_file: a, jwks_url: 'https://a.example', blocked: [x, x] }
- { issuer: '' }
- { issuer: b, jwks_url: 'http://b.example' }
- { issuer: c, jwks_url: 'http://127.0.0.1/jwks' }";
        let settings: SoftwareStatementSettings = serde_yaml::from_str(yaml).unwrap();
        let places: Vec<String> = settings.problems().into_iter().map(|problem| problem.place).collect();
        assert_eq!(
            places,
            [
                "issuers[0].algorithms",
                "issuers[0].max_age",
                "issuers[0].claims.client_id",
                "issuers[0].claims.client_name",
                "issuers[1].issuer",
                "issuers[1].jwks_file",
                "issuers[1].blocked[1]",
                "issuers[2].issuer",
                "issuers[2].jwks_file",
                "issuers[3].jwks_url",
            ]
        );
    }
}
