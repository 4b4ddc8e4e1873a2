//! `explain`: what every rule makes of a request, a file's or one that the running gateway has kept, without sending anything.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use clap::Args;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::{ConfigFile, Failure, Format, block_on, json_text, read_input, replay, table};
use crate::admin::api::{KeptRequest, check_profile};
use crate::admin::client::target;
use crate::authorization_server::dialect::Dialect;
use crate::authorization_server::settings::Kind;
use crate::authorization_server::{self, cognito};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::intake::LARGEST_BODY;
use crate::intake::replay::{Judgement, Judges};
use crate::policy::{CertificateIdentity, Choice, Judged, Presented, PresentedToken, Profile, Verdict, choose};
use crate::registrant::client_certificate;
use crate::registrant::software_statement::Circumstances;
use crate::registration::json;
use crate::server::software_statements;
use crate::telemetry::Decision;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The body of a registration request, as a client sends it; - for standard input. Or the name of a request that the running
    /// gateway has kept (`request_id`), or of its registration.
    #[arg(value_name = "REQUEST.json|ID")]
    request: PathBuf,
    /// The configuration of the running gateway, which has the request, where it is not the one that explains.
    #[arg(long, value_name = "FILE")]
    running: Option<PathBuf>,
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
    if let Some(name) = arguments.name_of_a_record() {
        return arguments.explain_record(&config, name, format, out);
    }
    let certificate = arguments.certificate.as_deref().map(read_certificate).transpose()?;
    let certificate = certificate.as_ref();
    let profile = choice(&config, arguments, certificate)?;
    let body = read_input(&arguments.request, LARGEST_BODY)?;
    if body.len() > LARGEST_BODY {
        return Err(Failure::Failed(format!("the request's body is larger than {LARGEST_BODY} bytes")));
    }
    let members = json::parse_lenient(&body).map_err(Failure::of)?;
    let issuers = software_statements(&config).map_err(Failure::of)?;
    let circumstances =
        Circumstances { requirement: profile.software_statement(), certificate, now: SystemClock.now() };
    // The keys of an issuer may have to be fetched; nothing else is asked of anybody.
    let heard = block_on(async { Ok(issuers.hear(members, circumstances).await) })?;
    let verdict = match heard {
        Ok((requested, _)) => {
            authorization_server::judge(config.settings.authorization_server.kind, profile, &requested)
        }
        Err(refusal) => return write_refusal(out, Some(profile), &refusal.to_string(), format),
    };
    Explanation { config: &config, profile, verdict: &verdict }.write(out, format)
}

impl Arguments {
    /// Where there is no such file, and it looks like the name of a request.
    fn name_of_a_record(&self) -> Option<&str> {
        let name = self.request.to_str().filter(|_| !self.request.exists())?;
        let looks_so = name.len() >= 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        looks_so.then_some(name)
    }

    fn explain_record(&self, config: &Config, name: &str, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
        let kept = block_on(async {
            let gateway = replay::of_the_running(self.running.as_ref(), config)?;
            Ok(gateway.get::<KeptRequest>(&target("/v1/requests", name, "")).await?.body)
        })?;
        let statements = software_statements(config).map_err(Failure::of)?;
        let kind = config.settings.authorization_server.kind;
        let judges = Judges { profiles: &config.profiles, kind, statements: &statements };
        let judgement = match &self.profile {
            Some(name) => judges.judge_by(named(config, name)?, &kept.request),
            None => judges.judge(&kept.request),
        };
        if format == Format::Text {
            let KeptRequest { at, request, .. } = &kept;
            let profile = request.profile.as_deref().unwrap_or("-");
            writeln!(
                out,
                "asked {at}; decided then by profile {profile:?}: {} ({})\n",
                request.decision, request.reason
            )?;
        }
        match judgement {
            Judgement::Judged { profile, verdict } => {
                Explanation { config, profile, verdict: &verdict }.write(out, format)
            }
            Judgement::Refused { profile, reason } => write_refusal(out, profile, reason.explained().sentence, format),
            Judgement::Undecided { why, .. } => Err(Failure::Failed(format!("this cannot be told: {why}"))),
        }
    }
}

pub(super) fn named<'c>(config: &'c Config, name: &str) -> Result<&'c Profile, Failure> {
    let known: Vec<&str> = config.profiles.iter().map(Profile::name).collect();
    let found = config.profiles.iter().find(|profile| profile.name() == name);
    found.ok_or_else(|| Failure::Failed(format!("there is no profile {name:?}; there are: {}", known.join(", "))))
}

fn read_certificate(file: &Path) -> Result<CertificateIdentity, Failure> {
    let of_file = |problem: &dyn std::fmt::Display| Failure::Failed(format!("{}: {problem}", file.display()));
    let der = CertificateDer::from_pem_slice(&read_input(file, LARGEST_BODY)?).map_err(|problem| of_file(&problem))?;
    client_certificate::read(&der).map_err(|problem| of_file(&problem))
}

fn choice<'c>(
    config: &'c Config,
    arguments: &Arguments,
    certificate: Option<&CertificateIdentity>,
) -> Result<&'c Profile, Failure> {
    if let Some(name) = &arguments.profile {
        return named(config, name);
    }
    if let Some(name) = &arguments.token_for {
        check_profile(&config.profiles, name).map_err(Failure::Failed)?;
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

/// What ends it before any rule is asked: a statement that is missing or not accepted, a credential.
fn write_refusal(out: &mut dyn Write, profile: Option<&Profile>, refusal: &str, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => {
            let answer = json!({
                "decision": "refuse",
                "profile": profile.map(Profile::name),
                "policy_version": profile.map(Profile::version),
                "refusal": refusal,
                "rules": [],
                "violations": [],
                "upstream": null,
            });
            writeln!(out, "{}", json_text(&answer))?;
        }
        Format::Text => match profile {
            Some(profile) => {
                let (name, version) = (profile.name(), profile.version());
                writeln!(out, "refused by profile {name:?} (version {version})\n\n{refusal}")?;
            }
            None => writeln!(out, "refused: {refusal}")?,
        },
    }
    Ok(())
}

/// What the rules of a profile made of a request.
struct Explanation<'e> {
    config: &'e Config,
    profile: &'e Profile,
    verdict: &'e Verdict,
}

impl Explanation<'_> {
    fn write(&self, out: &mut dyn Write, format: Format) -> Result<(), Failure> {
        match format {
            Format::Json => writeln!(out, "{}", json_text(&self.as_json()))?,
            Format::Text => self.write_text(out)?,
        }
        Ok(())
    }

    fn as_json(&self) -> Value {
        let Self { config, profile, verdict } = *self;
        let violations = verdict.result.as_ref().err().cloned().unwrap_or_default();
        let upstream = verdict.judged().map_or(Value::Null, |judged| {
            let scopes = judged.scopes();
            let words = |scopes: &crate::registration::ScopeSet| scopes.to_string();
            let call = call(config, judged);
            json!({
                "method": call.method,
                "url": call.url,
                "body": call.body,
                "scopes": {
                    "requested": scopes.requested.as_ref().map(words),
                    "granted": words(&scopes.granted),
                    "withheld": words(&scopes.withheld),
                    "dropped": words(&scopes.dropped),
                },
            })
        });
        json!({
            "decision": decision(verdict).as_str(),
            "profile": profile.name(),
            "policy_version": profile.version(),
            "rules": verdict.rules,
            "violations": violations,
            "upstream": upstream,
        })
    }

    fn write_text(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let Self { config, profile, verdict } = *self;
        let decision = match decision(verdict) {
            Decision::Admit => "admitted",
            Decision::ReportOnly => {
                "let through, without the gateway's credential, because what it violates only reports,"
            }
            Decision::Refuse => "refused",
        };
        writeln!(out, "{decision} by profile {:?} (version {})\n", profile.name(), profile.version())?;
        let rows = verdict.rules.iter().flat_map(|outcome| {
            let word = match (outcome.violations.is_empty(), outcome.notes.is_empty()) {
                (false, _) if profile.only_reports(outcome.rule) => "reports",
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
        if let Some(judged) = verdict.judged() {
            let call = call(config, judged);
            writeln!(out, "\n{} {}\n{}", call.method, call.url, json_text(&call.body))?;
            let scopes = judged.scopes();
            if !scopes.withheld.is_empty() {
                writeln!(out, "\nwithheld until an approval: {}", scopes.withheld)?;
            }
        }
        Ok(())
    }
}

fn decision(verdict: &Verdict) -> Decision {
    match verdict.judged() {
        Some(judged) if judged.clearance().is_some() => Decision::Admit,
        Some(_) => Decision::ReportOnly,
        None => Decision::Refuse,
    }
}

/// What the server would be sent.
struct Call {
    method: &'static str,
    url: String,
    body: Value,
}

/// The call in the server's own terms.
fn call(config: &Config, judged: &dyn Judged) -> Call {
    let server = &config.settings.authorization_server;
    let pool = server.cognito.as_ref().filter(|_| server.kind == Kind::Cognito);
    if let (Some(pool), Some(clearance)) = (pool, judged.clearance()) {
        let url = pool.endpoint_url.clone();
        let url = url.unwrap_or_else(|| format!("https://cognito-idp.{}.amazonaws.com", pool.region()));
        return Call { method: "CreateUserPoolClient", url, body: cognito::shown(pool, clearance) };
    }
    Call {
        method: "POST",
        url: format!("{}{}", server.url.trim_end_matches('/'), config.paths.registration_path()),
        body: Dialect::of(server).outgoing(judged).into(),
    }
}
