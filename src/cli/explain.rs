//! `explain`: what every rule makes of a request, without sending anything.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use clap::Args;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::{ConfigFile, Failure, Format, json_text, read_input, table};
use crate::authorization_server::dialect::Dialect;
use crate::authorization_server::settings::Kind;
use crate::authorization_server::{self, cognito};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::policy::{CertificateIdentity, Choice, Clearance, Presented, PresentedToken, Profile, Verdict, choose};
use crate::registrant::client_certificate;
use crate::registrant::software_statement::{Circumstances, StatementRefusal};
use crate::registration::json;
use crate::server::software_statements;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The body of a registration request, as a client sends it; - for standard input.
    #[arg(value_name = "REQUEST.json")]
    request: PathBuf,
    /// Judge by this profile.
    #[arg(long, conflicts_with_all = ["address", "token_for"])]
    profile: Option<String>,
    /// Choose the profile for a registrant at this address.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// Choose the profile for a registrant with an initial access token that was made for this profile.
    #[arg(long, value_name = "PROFILE")]
    token_for: Option<String>,
    /// Choose the profile for a registrant with this client certificate (PEM), and hold its software statement against it. Nothing
    /// verifies the certificate itself.
    #[arg(long, value_name = "CERTIFICATE.pem")]
    certificate: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(arguments: &Arguments, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let config = arguments.file.load()?;
    let certificate = arguments.certificate.as_deref().map(read_certificate).transpose()?;
    let certificate = certificate.as_ref();
    let profile = choice(&config, arguments, certificate)?;
    let members = json::parse(&read_input(&arguments.request)?).map_err(Failure::of)?;
    let issuers = software_statements(&config).map_err(Failure::of)?;
    let circumstances =
        Circumstances { requirement: profile.software_statement(), certificate, now: SystemClock.now() };
    // The keys of an issuer may have to be fetched; nothing else is asked of anybody.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let verdict = match runtime.block_on(issuers.hear(members, circumstances)) {
        Ok((requested, _)) => {
            authorization_server::judge(config.settings.authorization_server.kind, profile, &requested)
        }
        Err(refusal) => return write_refusal(out, profile, &refusal, format),
    };
    match format {
        Format::Json => writeln!(out, "{}", json_text(&as_json(&config, profile, &verdict)))?,
        Format::Text => write_text(out, &config, profile, &verdict)?,
    }
    Ok(())
}

fn read_certificate(file: &Path) -> Result<CertificateIdentity, Failure> {
    let of_file = |problem: &dyn std::fmt::Display| Failure::Failed(format!("{}: {problem}", file.display()));
    let der = CertificateDer::from_pem_slice(&read_input(file)?).map_err(|problem| of_file(&problem))?;
    client_certificate::read(&der).map_err(|problem| of_file(&problem))
}

fn choice<'c>(
    config: &'c Config,
    arguments: &Arguments,
    certificate: Option<&CertificateIdentity>,
) -> Result<&'c Profile, Failure> {
    if let Some(name) = &arguments.profile {
        let known: Vec<&str> = config.profiles.iter().map(Profile::name).collect();
        let found = config.profiles.iter().find(|profile| profile.name() == name);
        return found
            .ok_or_else(|| Failure::Failed(format!("there is no profile {name:?}; there are: {}", known.join(", "))));
    }
    let presented = Presented {
        address: arguments.address,
        certificate,
        initial_access_token: arguments.token_for.as_deref().map_or(PresentedToken::None, PresentedToken::ForProfile),
    };
    match choose(&config.profiles, &presented) {
        Choice::Profile(profile) if profile.requires_token() && arguments.token_for.is_none() => {
            let name = profile.name();
            eprintln!("profile {name:?} fits, and requires an initial access token: without one the answer is 401");
            Ok(profile)
        }
        Choice::Profile(profile) => Ok(profile),
        Choice::CredentialMissing { .. } => Err(Failure::Failed(
            "no profile fits without a credential: the answer is 401 before the body is read; name one with --profile"
                .to_owned(),
        )),
        Choice::TokenDoesNotFit => {
            Err(Failure::Failed("the token's profile does not fit: the answer is 403".to_owned()))
        }
        Choice::NoneFits => Err(Failure::Failed("no profile fits: the answer is 403".to_owned())),
    }
}

/// A statement that is missing or not accepted ends it before any rule is asked.
fn write_refusal(
    out: &mut dyn Write,
    profile: &Profile,
    refusal: &StatementRefusal,
    format: Format,
) -> Result<(), Failure> {
    let (name, version) = (profile.name(), profile.version());
    match format {
        Format::Json => {
            let answer = json!({
                "decision": "refuse",
                "profile": name,
                "policy_version": version,
                "refusal": refusal.to_string(),
                "rules": [],
                "violations": [],
                "upstream": null,
            });
            writeln!(out, "{}", json_text(&answer))?;
        }
        Format::Text => writeln!(out, "refused by profile {name:?} (version {version})\n\n{refusal}")?,
    }
    Ok(())
}

fn as_json(config: &Config, profile: &Profile, verdict: &Verdict) -> Value {
    let (decision, violations, upstream) = match &verdict.result {
        Ok(clearance) => {
            let withheld = clearance.scopes();
            let words = |scopes: &crate::registration::ScopeSet| scopes.to_string();
            let call = call(config, clearance);
            let upstream = json!({
                "method": call.method,
                "url": call.url,
                "body": call.body,
                "scopes": {
                    "requested": withheld.requested.as_ref().map(words),
                    "granted": words(&withheld.granted),
                    "withheld": words(&withheld.withheld),
                    "dropped": words(&withheld.dropped),
                },
            });
            ("admit", json!([]), upstream)
        }
        Err(violations) => ("refuse", json!(violations), Value::Null),
    };
    json!({
        "decision": decision,
        "profile": profile.name(),
        "policy_version": profile.version(),
        "rules": verdict.rules,
        "violations": violations,
        "upstream": upstream,
    })
}

fn write_text(out: &mut dyn Write, config: &Config, profile: &Profile, verdict: &Verdict) -> Result<(), Failure> {
    let decision = if verdict.result.is_ok() { "admitted" } else { "refused" };
    writeln!(out, "{decision} by profile {:?} (version {})\n", profile.name(), profile.version())?;
    let rows = verdict.rules.iter().flat_map(|outcome| {
        let word = match (outcome.violations.is_empty(), outcome.notes.is_empty()) {
            (false, _) => "refuses",
            (true, false) => "changes",
            (true, true) => "passes",
        };
        let mut sentences = outcome.violations.iter().map(|violation| &violation.message).chain(&outcome.notes);
        let first = [outcome.rule.to_string(), word.to_owned(), sentences.next().cloned().unwrap_or_default()];
        let more: Vec<_> = sentences.map(|sentence| [String::new(), String::new(), sentence.clone()]).collect();
        std::iter::once(first).chain(more)
    });
    table::write(out, ["RULE", "VERDICT", "WHY"], rows)?;
    if let Ok(clearance) = &verdict.result {
        let call = call(config, clearance);
        writeln!(out, "\n{} {}\n{}", call.method, call.url, json_text(&call.body))?;
        let scopes = clearance.scopes();
        if !scopes.withheld.is_empty() {
            writeln!(out, "\nwithheld until an approval: {}", scopes.withheld)?;
        }
    }
    Ok(())
}

/// What the server would be sent.
struct Call {
    method: &'static str,
    url: String,
    body: Value,
}

/// The call in the server's own terms.
fn call(config: &Config, clearance: &Clearance) -> Call {
    let server = &config.settings.authorization_server;
    if let Some(pool) = server.cognito.as_ref().filter(|_| server.kind == Kind::Cognito) {
        let url = pool.endpoint_url.clone();
        let url = url.unwrap_or_else(|| format!("https://cognito-idp.{}.amazonaws.com", pool.region()));
        return Call { method: "CreateUserPoolClient", url, body: cognito::shown(pool, clearance) };
    }
    Call {
        method: "POST",
        url: format!("{}{}", server.url.trim_end_matches('/'), config.paths.registration_path()),
        body: Dialect::of(server).outgoing(clearance).into(),
    }
}
