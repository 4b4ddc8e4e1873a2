//! Verifies software statements (RFC 7591 §2.3): whose it is, that they signed it, that it holds now, that its software may register here and
//! that it is its own who presents it. Only what comes out of here is a `SoftwareStatement`.

mod certificate_binding;
mod issuer;
mod refusal;
mod settings;

use serde_json::{Map, Value};

pub use certificate_binding::{CertificateBindingSettings, CertificatePart};
pub use refusal::StatementRefusal;
pub use settings::{SoftwareStatementSettings, StatementIssuerSettings};

use self::issuer::Issuer;
use crate::clock::Timestamp;
use crate::fetch::FetchClient;
use crate::jose::{self, ClaimProblem};
use crate::policy::CertificateIdentity;
use crate::policy::profile::Requirement;
use crate::registration::software_statement::MEMBER;
use crate::registration::{ClientMetadata, SoftwareStatement};
use crate::setting_problem::SettingProblem;

/// Who vouches for the software of a registrant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedStatement {
    /// `iss` of the statement.
    pub issuer: String,
    /// `software_id` of the statement.
    pub software_id: Option<String>,
    /// Its claims that are client metadata.
    pub members: Map<String, Value>,
}

/// Who vouches for what is registered, and for which software: what the statement says that is registered with it, and was heard then.
pub fn vouched_for(registered: &Map<String, Value>) -> Option<(String, Option<String>)> {
    let claims = jose::unverified_claims(registered.get(MEMBER)?.as_str()?).ok()?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    Some((text("iss")?, text("software_id")))
}

/// What a statement is heard under.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Whether the profile takes a statement.
    pub requirement: Requirement,
    /// The verified client certificate of whoever presents it.
    pub certificate: Option<&'a CertificateIdentity>,
    /// The time.
    pub now: Timestamp,
}

/// The issuers whose statements count.
#[derive(Default)]
pub struct StatementIssuers(Vec<Issuer>);

impl StatementIssuers {
    /// Makes them out of settings without [`SoftwareStatementSettings::problems`]; reads the files that these name, fetches nothing yet.
    ///
    /// # Errors
    /// The first file or URL that cannot be used.
    pub fn new(settings: &SoftwareStatementSettings, client: &FetchClient) -> Result<Self, SettingProblem> {
        let issuers = settings.issuers.iter().enumerate().map(|(index, settings)| {
            let problem = |(key, reason)| SettingProblem::new(format!("issuers[{index}].{key}"), reason, "");
            Issuer::new(settings, client).map_err(problem)
        });
        issuers.collect::<Result<_, _>>().map(Self)
    }

    /// Takes over the keys that `earlier` fetched: a reload forgets nothing.
    pub fn remember(&self, earlier: &Self) {
        for issuer in &self.0 {
            if let Some(earlier) = earlier.find(issuer.name()) {
                issuer.remember(earlier);
            }
        }
    }

    fn find(&self, name: &str) -> Option<&Issuer> {
        self.0.iter().find(|issuer| issuer.name() == name)
    }

    /// Reads a request with what its software statement says, which is verified and takes precedence; one that the profile does not
    /// take is not looked at. Says whose the statement was.
    ///
    /// # Errors
    /// The statement is missing where it is required, or the first thing that is wrong with it.
    pub async fn hear(
        &self,
        members: Map<String, Value>,
        circumstances: Circumstances<'_>,
    ) -> Result<(ClientMetadata, Option<VerifiedStatement>), StatementRefusal> {
        let text = match members.get(MEMBER) {
            _ if circumstances.requirement == Requirement::Off => {
                return Ok((ClientMetadata::from_json(members), None));
            }
            None | Some(Value::Null) => "",
            Some(Value::String(text)) => text,
            Some(_) => return Err(StatementRefusal::NotAString),
        };
        if text.is_empty() {
            return match circumstances.requirement {
                Requirement::Required => Err(StatementRefusal::Missing),
                Requirement::Optional | Requirement::Off => Ok((ClientMetadata::from_json(members), None)),
            };
        }
        let statement = self.verify(text, circumstances).await?;
        let requested = statement.apply(members);
        // Where the statement names no software, the request may.
        self.still_accept(&statement.issuer, requested.software_id.as_deref())?;
        let SoftwareStatement { issuer, software_id, members, .. } = statement;
        Ok((requested, Some(VerifiedStatement { issuer, software_id, members })))
    }

    /// Whether a statement of this issuer about this software, verified once, would be heard today, as far as issuer and software
    /// tell.
    ///
    /// # Errors
    /// The issuer is not trusted (any more), or the software is blocked.
    pub fn still_accept(&self, issuer: &str, software_id: Option<&str>) -> Result<(), StatementRefusal> {
        let found = self.find(issuer).ok_or_else(|| StatementRefusal::IssuerUntrusted(issuer.to_owned()))?;
        match software_id {
            Some(software_id) if found.refuses(software_id) => Err(StatementRefusal::Blocked),
            _ => Ok(()),
        }
    }

    async fn verify(
        &self,
        text: &str,
        circumstances: Circumstances<'_>,
    ) -> Result<SoftwareStatement, StatementRefusal> {
        let unverified_issuer = match jose::unverified_claims(text)?.get("iss") {
            Some(Value::String(issuer)) => issuer.clone(),
            Some(_) => return Err(ClaimProblem::Malformed("iss").into()),
            None => return Err(ClaimProblem::Missing("iss").into()),
        };
        let Some(issuer) = self.find(&unverified_issuer) else {
            return Err(StatementRefusal::IssuerUntrusted(unverified_issuer));
        };
        issuer.verify(text, circumstances).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fetch::settings::FetchSettings;
    use crate::jose::signing::Signer;
    use crate::jose::{Algorithm, JoseError};

    const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

    /// A directory that signs, trusted by a configuration of which `more` is the rest of its entry.
    struct Directory {
        signer: Signer,
        issuers: StatementIssuers,
        _files: tempfile::TempDir,
    }

    impl Directory {
        fn trusted_with(more: &str) -> Self {
            let signer = Signer::new(Algorithm::Ps256, "1");
            let files = tempfile::tempdir().unwrap();
            let write = |name: &str, text: &str| {
                let file = files.path().join(name);
                std::fs::write(&file, text).unwrap();
                file.display().to_string()
            };
            let keys = write("jwks.json", &signer.jwks().to_string());
            let revoked = write("revoked", "# withdrawn\n\nwithdrawn-app  # since May\n statement-7 \n");
            let yaml = format!(
                "issuers: [{{ issuer: 'https://directory.example', jwks_file: '{keys}', revoked: '{revoked}', {more} }}]"
            );
            let issuers = StatementIssuers::new(&serde_yaml::from_str(&yaml).unwrap(), &fetch()).unwrap();
            Self { signer, issuers, _files: files }
        }

        async fn hears(&self, statement: &str) -> Result<SoftwareStatement, StatementRefusal> {
            self.issuers.verify(statement, circumstances(Requirement::Required, None)).await
        }

        /// Signs good claims, some of them replaced; `null` takes one away.
        fn signs(&self, changes: Value) -> String {
            let mut claims = json!({"iss": "https://directory.example", "iat": 1_699_999_000, "software_id": "app"});
            for (name, value) in changes.as_object().unwrap() {
                claims[name] = value.clone();
            }
            claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            self.signer.sign(&claims)
        }
    }

    fn fetch() -> FetchClient {
        FetchClient::new(&FetchSettings::default()).unwrap()
    }

    fn circumstances(requirement: Requirement, certificate: Option<&CertificateIdentity>) -> Circumstances<'_> {
        Circumstances { requirement, certificate, now: NOW }
    }

    fn identity(subject: &str) -> CertificateIdentity {
        CertificateIdentity {
            subject: subject.to_owned(),
            issuer: "CN=Directory CA".to_owned(),
            serial: "01".to_owned(),
            san_dns: vec![],
            san_uri: vec![],
            san_email: vec![],
            san_ip: vec![],
            thumbprint: "ab".repeat(32),
            not_after: 0,
        }
    }

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[tokio::test]
    async fn a_statement_of_a_trusted_issuer_is_taken() {
        let directory = Directory::trusted_with("");
        let text = directory.signs(json!({"client_name": "App", "org_status": "Active", "client_id": "x"}));
        let statement = directory.hears(&text).await.unwrap();
        assert_eq!(statement.text, text);
        assert_eq!(statement.issuer, "https://directory.example");
        assert_eq!(statement.software_id.as_deref(), Some("app"));
        assert_eq!(Value::Object(statement.members), json!({"client_name": "App", "software_id": "app"}));
    }

    #[tokio::test]
    async fn what_the_profile_wants_decides_whether_one_must_be_there() {
        let directory = Directory::trusted_with("");
        let good = directory.signs(json!({"client_name": "App"}));
        let hear = async |requirement, statement: Value| {
            let request = object(json!({"software_statement": statement, "client_name": "plain"}));
            let heard = directory.issuers.hear(request, circumstances(requirement, None)).await;
            heard.map(|(metadata, verified)| (metadata.client_names[0].text.clone(), verified.is_some()))
        };
        let (plain, stated) = (Ok(("plain".to_owned(), false)), Ok(("App".to_owned(), true)));
        assert_eq!(hear(Requirement::Required, json!(good)).await, stated);
        assert_eq!(hear(Requirement::Optional, json!(good)).await, stated);
        assert_eq!(hear(Requirement::Off, json!(good)).await, plain);
        assert_eq!(hear(Requirement::Off, json!("junk")).await, plain);
        for absent in [json!(null), json!("")] {
            assert_eq!(hear(Requirement::Optional, absent.clone()).await, plain);
            assert_eq!(hear(Requirement::Required, absent).await, Err(StatementRefusal::Missing));
        }
        assert_eq!(hear(Requirement::Optional, json!(7)).await, Err(StatementRefusal::NotAString));
        assert!(matches!(hear(Requirement::Optional, json!("junk")).await, Err(StatementRefusal::Invalid(_))));
    }

    #[tokio::test]
    async fn who_signed_it_and_how_is_told_apart() {
        let directory = Directory::trusted_with("algorithms: [PS256]");
        let other = Signer::new(Algorithm::Es256, "1");
        let unknown = Signer::new(Algorithm::Ps256, "2");
        let claims = json!({"iss": "https://directory.example"});
        let good = directory.signs(json!({}));
        let (head, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = head.split_once('.').unwrap();
        let elsewhere = directory.signs(json!({"client_name": "another"}));
        let swapped = format!("{header}.{}.{signature}", elsewhere.split('.').nth(1).unwrap());
        for (statement, expected) in [
            (swapped, StatementRefusal::Invalid(JoseError::BadSignature)),
            (other.sign(&claims), StatementRefusal::Invalid(JoseError::Algorithm)),
            (unknown.sign(&claims), StatementRefusal::Invalid(JoseError::UnknownKey)),
            (
                directory.signs(json!({"iss": "https://evil.example"})),
                StatementRefusal::IssuerUntrusted("https://evil.example".to_owned()),
            ),
            (directory.signs(json!({"iss": null})), StatementRefusal::Claims(ClaimProblem::Missing("iss"))),
            (directory.signs(json!({"iss": ["a"]})), StatementRefusal::Claims(ClaimProblem::Malformed("iss"))),
        ] {
            assert_eq!(directory.hears(&statement).await, Err(expected));
        }
        let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
        assert!(matches!(directory.hears(&unsigned).await, Err(StatementRefusal::Invalid(JoseError::Malformed(_)))));
    }

    #[tokio::test]
    async fn what_the_issuer_signs_as_something_else_is_no_statement() {
        let directory = Directory::trusted_with("");
        let hears = async |header: Value| {
            let mut whole = json!({"alg": "PS256", "kid": "1"});
            whole.as_object_mut().unwrap().extend(object(header));
            let claims = json!({"iss": "https://directory.example", "sub": "https://rp.example"}).to_string();
            directory.hears(&directory.signer.sign_as(&whole.to_string(), claims.as_bytes())).await.map(drop)
        };
        assert_eq!(hears(json!({})).await, Ok(()));
        for kind in [
            "JWT",
            "jwt",
            "JOSE",
            "application/jwt",
            "APPLICATION/JWT",
            "software-statement+jwt",
            "application/oauth-software-statement+jwt",
        ] {
            assert_eq!(hears(json!({"typ": kind})).await, Ok(()), "{kind}");
        }
        for kind in [
            "entity-statement+jwt",
            "application/entity-statement+jwt",
            "trust-mark+jwt",
            "statuslist+jwt",
            "at+jwt",
            "secevent+jwt",
            "software-statement",
            "JWT ",
            "",
        ] {
            assert_eq!(hears(json!({"typ": kind})).await, Err(StatementRefusal::OtherKind), "{kind}");
        }
        for kind in [json!(1), json!(null), json!(["JWT"])] {
            let heard = hears(json!({"typ": kind})).await;
            assert!(matches!(heard, Err(StatementRefusal::Invalid(JoseError::Malformed(_)))), "{kind}: {heard:?}");
        }
    }

    #[tokio::test]
    async fn it_must_be_meant_for_us_and_hold_now() {
        let strict = Directory::trusted_with("audience: dcr, max_age: 1h");
        let loose = Directory::trusted_with("");
        assert!(strict.hears(&strict.signs(json!({"aud": ["other", "dcr"], "exp": 1_700_000_001}))).await.is_ok());
        assert!(
            loose.hears(&loose.signs(json!({"iat": null}))).await.is_ok(),
            "directories give statements without an end"
        );
        for (directory, changes, expected) in [
            (&strict, json!({}), ClaimProblem::Missing("aud")),
            (&strict, json!({"aud": "other"}), ClaimProblem::Audience),
            (&strict, json!({"aud": "dcr", "iat": null}), ClaimProblem::Missing("iat")),
            (&strict, json!({"aud": "dcr", "iat": 1_699_990_000}), ClaimProblem::TooOld),
            (&loose, json!({"exp": 1_699_999_000}), ClaimProblem::Expired),
            (&loose, json!({"nbf": 1_700_001_000}), ClaimProblem::NotYetValid),
        ] {
            let heard = directory.hears(&directory.signs(changes.clone())).await;
            assert_eq!(heard, Err(StatementRefusal::Claims(expected)), "{changes}");
        }
        assert_eq!(loose.hears(&loose.signs(json!({"aud": "dcr"}))).await, Err(StatementRefusal::AudienceUnknown));
    }

    #[tokio::test]
    async fn blocked_and_revoked_software_is_refused_by_its_id_or_the_statements() {
        let directory = Directory::trusted_with("blocked: [blocked-app], claims: { software_id: ssa_id }");
        let hears = async |changes: Value| directory.hears(&directory.signs(changes)).await;
        for changes in [
            json!({"ssa_id": "blocked-app"}),
            json!({"ssa_id": "withdrawn-app"}),
            json!({"ssa_id": "app", "jti": "statement-7"}),
        ] {
            assert_eq!(hears(changes.clone()).await, Err(StatementRefusal::Blocked), "{changes}");
        }
        assert!(hears(json!({"ssa_id": "app", "software_id": "blocked-app", "jti": "statement-8"})).await.is_ok());
        assert_eq!(hears(json!({"ssa_id": "x".repeat(256)})).await, Err(StatementRefusal::SoftwareId));
    }

    #[tokio::test]
    async fn where_a_statement_names_no_software_the_request_names_none_that_is_blocked() {
        let directory = Directory::trusted_with("blocked: [blocked-app]");
        let hears = async |stated: Value, asked: &str| {
            let statement = directory.signs(json!({ "software_id": stated }));
            let request = object(json!({"software_statement": statement, "software_id": asked}));
            directory.issuers.hear(request, circumstances(Requirement::Required, None)).await.map(drop)
        };
        assert_eq!(hears(json!(null), "blocked-app").await, Err(StatementRefusal::Blocked));
        assert_eq!(hears(json!(null), "app").await, Ok(()));
        assert_eq!(hears(json!("app"), "blocked-app").await, Ok(()), "the statement's is taken");
    }

    #[tokio::test]
    async fn a_bound_statement_is_good_for_its_own_certificate_alone() {
        let bindings =
            "certificate_bindings: [{ claim: org_id, certificate: OU }, { claim: software_id, certificate: CN }]";
        let directory = Directory::trusted_with(bindings);
        let statement = directory.signs(json!({"org_id": "0015800"}));
        let presented = async |subject: &str| {
            let certificate = identity(subject);
            directory
                .issuers
                .verify(&statement, circumstances(Requirement::Required, Some(&certificate)))
                .await
                .map(drop)
        };
        assert_eq!(presented("CN=app,OU=0015800,O=Acme").await, Ok(()));
        let other = |claim: &str| Err(StatementRefusal::CertificateOther(claim.to_owned()));
        assert_eq!(presented("CN=app,OU=0015801,O=Acme").await, other("org_id"));
        assert_eq!(presented("CN=other,OU=0015800,O=Acme").await, other("software_id"));
        assert_eq!(directory.hears(&statement).await, Err(StatementRefusal::CertificateMissing));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_told_by_its_place() {
        let new = |file: &str| {
            let yaml =
                format!("issuers: [{{ issuer: a, jwks_url: 'https://a.example/jwks' }}, {{ issuer: b, {file} }}]");
            StatementIssuers::new(&serde_yaml::from_str(&yaml).unwrap(), &fetch()).map(drop).unwrap_err().place
        };
        assert_eq!(new("jwks_file: /nowhere"), "issuers[1].jwks_file");
        assert_eq!(new("jwks_url: 'https://b.example', revoked: /nowhere"), "issuers[1].revoked");
    }
}
