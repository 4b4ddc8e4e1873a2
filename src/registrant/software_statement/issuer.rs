//! One issuer whose statements count: its signature, and what must hold of a statement that it signed.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use super::refusal::{LONGEST_SOFTWARE_ID, StatementRefusal};
use super::{Circumstances, StatementIssuerSettings};
use crate::fetch::{FetchClient, Target};
use crate::jose::{self, ClaimRules, Expiry};
use crate::registrant::issuer_keys::{FetchedKeys, IssuerKeys};
use crate::registration::SoftwareStatement;
use crate::registration::software_statement::members_of;

/// How far an issuer's clock may be off.
const LEEWAY: Duration = Duration::from_secs(60);

/// An issuer, ready to verify.
pub(super) struct Issuer {
    settings: StatementIssuerSettings,
    keys: IssuerKeys,
    /// What the operator blocked and what the issuer took back.
    refused: HashSet<String>,
}

impl Issuer {
    /// Reads the files that its settings name, fetches nothing yet.
    ///
    /// # Errors
    /// The key whose value cannot be used, and why.
    pub(super) fn new(
        settings: &StatementIssuerSettings,
        client: &FetchClient,
    ) -> Result<Self, (&'static str, String)> {
        let keys = match (&settings.jwks_file, &settings.jwks_url) {
            (Some(file), _) => IssuerKeys::read(file).map_err(|reason| ("jwks_file", reason))?,
            (None, Some(url)) => {
                let target = Target::configured(url).map_err(|reason| ("jwks_url", reason))?;
                IssuerKeys::Fetched(FetchedKeys::new(settings.issuer.clone(), client.clone(), target))
            }
            (None, None) => return Err(("jwks_file", "is missing".to_owned())),
        };
        let revoked = settings.revoked.as_deref().map(read_revoked).transpose();
        let revoked = revoked.map_err(|reason| ("revoked", reason))?.unwrap_or_default();
        let refused = settings.blocked.iter().cloned().chain(revoked).collect();
        Ok(Self { settings: settings.clone(), keys, refused })
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.issuer
    }

    /// Takes over the keys that `earlier` fetched.
    pub(super) fn remember(&self, earlier: &Self) {
        self.keys.remember(&earlier.keys);
    }

    /// Whether the operator blocked, or the issuer took back, what has this name.
    pub(super) fn refuses(&self, name: &str) -> bool {
        self.refused.contains(name)
    }

    /// A statement of this issuer's that is good, read.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(super) async fn verify(
        &self,
        text: &str,
        circumstances: Circumstances<'_>,
    ) -> Result<SoftwareStatement, StatementRefusal> {
        if !jose::unverified_type(text)?.is_none_or(|kind| may_be_a_statement(&kind)) {
            return Err(StatementRefusal::OtherKind);
        }
        let (keys, algorithms) = (&self.keys, &self.settings.algorithms);
        let claims = keys.signed_claims::<StatementRefusal>(text, algorithms, circumstances.now).await?;
        self.accept(text, &claims, circumstances)
    }

    /// What is left to see once the signature is the issuer's.
    fn accept(
        &self,
        text: &str,
        claims: &Map<String, Value>,
        circumstances: Circumstances<'_>,
    ) -> Result<SoftwareStatement, StatementRefusal> {
        let settings = &self.settings;
        let rules = ClaimRules {
            issuer: &settings.issuer,
            audience: settings.audience.as_deref(),
            expiry: Expiry::Optional,
            max_age: settings.max_age.map(|age| age.0),
            leeway: LEEWAY,
        };
        rules.check(claims, circumstances.now)?;
        // RFC 7519 §4.1.3: whoever does not identify itself with a value in `aud` must reject the token.
        if settings.audience.is_none() && claims.contains_key("aud") {
            return Err(StatementRefusal::AudienceUnknown);
        }
        let members = members_of(claims, &settings.claims);
        let software_id = members.get("software_id").and_then(Value::as_str).map(str::to_owned);
        if software_id.as_ref().is_some_and(|id| id.len() > LONGEST_SOFTWARE_ID || id.contains(char::is_control)) {
            return Err(StatementRefusal::SoftwareId);
        }
        let names = [software_id.as_deref(), claims.get("jti").and_then(Value::as_str)];
        if names.into_iter().flatten().any(|name| self.refuses(name)) {
            return Err(StatementRefusal::Blocked);
        }
        for binding in &settings.certificate_bindings {
            let Some(certificate) = circumstances.certificate else { return Err(StatementRefusal::CertificateMissing) };
            if !binding.holds(claims, certificate) {
                return Err(StatementRefusal::CertificateOther(binding.claim.clone()));
            }
        }
        Ok(SoftwareStatement { text: text.to_owned(), issuer: settings.issuer.clone(), software_id, members })
    }
}

/// Whether a JWT of this `typ` may be a software statement (RFC 8725 §3.11): directories write `JWT`, if anything. What an issuer signs as something
/// else, and anybody may fetch, vouches for no software.
fn may_be_a_statement(kind: &str) -> bool {
    matches!(kind, "jwt" | "jose") || kind.ends_with("software-statement+jwt")
}

/// What a file lists, one entry in a line; comments and empty lines are none. Within an entry `#` is its own: it may be a URI with a fragment.
fn read_revoked(file: &Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("the file cannot be read: {error}"))?;
    let begins_a_comment = |line: &str, at: usize| line[..at].chars().next_back().is_none_or(char::is_whitespace);
    let entries = text.lines().map(|line| {
        let comment = line.match_indices('#').map(|(at, _)| at).find(|at| begins_a_comment(line, *at));
        line[..comment.unwrap_or(line.len())].trim()
    });
    Ok(entries.filter(|entry| !entry.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_begins_at_the_start_of_a_line_or_behind_white_space() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("revoked");
        let text =
            "# taken back\n\n  # indented\nhttps://apps.example/tool#v1\nplain # since May\ntabbed\t#1\na#b #c\n";
        std::fs::write(&file, text).unwrap();
        assert_eq!(read_revoked(&file).unwrap(), ["https://apps.example/tool#v1", "plain", "tabbed", "a#b"]);
    }
}
