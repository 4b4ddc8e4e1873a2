//! `/v1/clients/{client_id}/review`: what the record cannot say for itself and whoever decides should know: how the client's name
//! appears, which other clients are like it, and what detectors found about it, its registrant and its redirect hosts.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::routing::on;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Api;
use super::clients::unknown;
use super::findings::Finding;
use super::operation::{Endpoint, Operation, Success, shape};
use super::request::Id;
use crate::admin::problem::Problem;
use crate::lifecycle::State as LifecycleState;
use crate::policy::appearance::{Appearance, appearances, read_alike};
use crate::registration::host::Host;
use crate::store::{ClientFilter, ClientRecord, Cursor, FindingFilter, FindingRecord, Page};

/// How many of the newest clients are compared: a review is looked at often, and the record may be large.
const COMPARED: usize = 2_000;
const PAGE: u32 = 500;
/// How many similar clients are shown.
const MOST_SIMILAR: usize = 20;
/// How many of the newest findings are looked through, and how many are shown.
const FINDINGS_LOOKED_THROUGH: u32 = 500;
const MOST_FINDINGS: usize = 10;

/// What a client looks like.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Review {
    /// `client_name` in runs of characters that appear alike; empty: it has none.
    pub client_name: Vec<NameRun>,
    /// Other clients like it, newest first, at most 20.
    pub similar: Vec<SimilarClient>,
    /// How many clients it was compared with, the newest ones.
    pub compared: usize,
    /// These were all.
    pub compared_with_all: bool,
    /// What detectors found lately about it, whoever registered it, and where it redirects to; newest first, at most 10.
    pub findings: Vec<Finding>,
}

/// Characters in a row.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NameRun {
    /// The characters.
    pub text: String,
    /// What they are to the eye.
    pub appearance: NameAppearance,
}

/// What a character is to the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameAppearance {
    /// ASCII.
    Plain,
    /// Outside ASCII, and looks like nothing in it.
    Foreign,
    /// Outside ASCII, and looks like something in it.
    Confusable,
    /// Turns the direction of what stands around it.
    Bidirectional,
    /// Cannot be seen.
    Invisible,
}

/// A client that is like another.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SimilarClient {
    /// Its `client_id`.
    pub client_id: String,
    /// `client_name`.
    pub client_name: Option<String>,
    /// Where it is in its life.
    pub state: LifecycleState,
    /// The profile that admitted it.
    pub profile: String,
    /// When it was registered (RFC 3339).
    pub created_at: String,
    /// Its name reads alike, whatever it is written with.
    pub reads_alike: bool,
    /// The hosts that both redirect to, loopback left out.
    pub shared_hosts: Vec<String>,
}

impl From<Appearance> for NameAppearance {
    fn from(appearance: Appearance) -> Self {
        match appearance {
            Appearance::Plain => Self::Plain,
            Appearance::Foreign => Self::Foreign,
            Appearance::Confusable => Self::Confusable,
            Appearance::Bidirectional => Self::Bidirectional,
            Appearance::Invisible => Self::Invisible,
        }
    }
}

pub(super) fn operations() -> Vec<Operation> {
    vec![Operation::at(
        Endpoint::reading("reviewClient", "/v1/clients/{client_id}/review"),
        "How a client's name appears, which other clients are like it, and what was found about it",
        Success::Shown(shape::<Review>()),
        |verb| on(verb, review),
    )]
}

async fn review(State(api): State<Arc<Api>>, Id(client_id): Id) -> Result<Json<Review>, Problem> {
    let store = &api.tools().store;
    let client = store.client(&client_id).await?.ok_or_else(|| unknown(&client_id))?;
    let hosts = hosts(&client.redirect_uris);
    let (mut similar, mut compared, mut after) = (Vec::new(), 0, None);
    let compared_with_all = loop {
        let page = store.clients(&ClientFilter::default(), &Page { after, limit: PAGE }).await?;
        after = page.last().map(|last| Cursor { at: last.created_at, id: last.client_id.clone() });
        let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        let others = page.into_iter().filter(|other| other.client_id != client.client_id);
        for other in others {
            compared += 1;
            similar.extend(likeness(&client, &hosts, other));
        }
        similar.truncate(MOST_SIMILAR);
        if is_last || compared >= COMPARED {
            break is_last;
        }
    };
    let name = client.client_name.as_deref().unwrap_or_default();
    let runs = appearances(name).into_iter();
    let client_name = runs.map(|run| NameRun { text: run.text, appearance: run.appearance.into() }).collect();
    let newest = Page { after: None, limit: FINDINGS_LOOKED_THROUGH };
    let findings = store.findings(&FindingFilter::default(), &newest).await?.into_iter();
    let findings = findings.filter(|finding| concerns(finding, &client, &hosts)).take(MOST_FINDINGS);
    Ok(Json(Review {
        client_name,
        similar,
        compared,
        compared_with_all,
        findings: findings.map(Finding::from).collect(),
    }))
}

/// The finding is about this client, its registrant, or a host that it redirects to.
fn concerns(finding: &FindingRecord, client: &ClientRecord, hosts: &[String]) -> bool {
    let (registrant, subject) = (&client.registrant, finding.subject.as_str());
    match finding.subject_kind.as_str() {
        "client" => client.client_id == subject,
        "certificate" => registrant.certificate_thumbprint.as_deref() == Some(subject),
        "registrant" => registrant.key == subject,
        "statement_issuer" => registrant.statement_issuer.as_deref() == Some(subject),
        "network" => subject.parse::<IpNet>().is_ok_and(|network| network.contains(&registrant.address)),
        "redirect_host" => hosts.iter().any(|host| is_in(host, subject)),
        _ => false,
    }
}

/// The host is the domain, or in it.
fn is_in(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// What two clients have in common; none where that is nothing.
fn likeness(client: &ClientRecord, client_hosts: &[String], other: ClientRecord) -> Option<SimilarClient> {
    let reads_alike = match (&client.client_name, &other.client_name) {
        (Some(one), Some(other)) => read_alike(one, other),
        _ => false,
    };
    let shared_hosts: Vec<String> =
        hosts(&other.redirect_uris).into_iter().filter(|host| client_hosts.contains(host)).collect();
    (reads_alike || !shared_hosts.is_empty()).then(|| SimilarClient {
        client_id: other.client_id,
        client_name: other.client_name,
        state: other.lifecycle.state(),
        profile: other.profile,
        created_at: other.created_at.to_string(),
        reads_alike,
        shared_hosts,
    })
}

/// Where it redirects to. Loopback is every native client's.
fn hosts(redirect_uris: &[String]) -> Vec<String> {
    let urls = redirect_uris.iter().filter_map(|uri| Url::parse(uri).ok());
    let mut hosts: Vec<String> = urls.filter_map(|url| url.host_str().map(str::to_owned)).collect();
    hosts.retain(|host| !Host::parse(host).is_some_and(|host| host.is_loopback()));
    hosts.sort();
    hosts.dedup();
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_begins_like_loopback_is_shown() {
        let uris = [
            "http://127.0.0.1:8080/cb",
            "http://[::1]/cb",
            "http://localhost/cb",
            "https://127.attacker.example/cb",
            "https://app.example/cb",
        ];
        assert_eq!(hosts(&uris.map(str::to_owned)), ["127.attacker.example", "app.example"]);
    }
}
