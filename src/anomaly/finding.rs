//! What a detector saw: about whom, how sure, by what evidence, in one sentence.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::observation::Involved;
use super::settings::Mode;
use crate::clock::Timestamp;

/// The detectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DetectorName {
    /// More registrations than the profile is used to.
    RegistrationBursts,
    /// Many registrants for one redirect host.
    RedirectHostCrowds,
    /// A redirect host or a statement issuer that was never seen before.
    FirstSights,
    /// A name close to a protected one.
    LookalikeNames,
    /// Many bad credentials.
    TokenGuessing,
    /// One credential from many networks.
    CredentialSpread,
    /// Refused, adapted, tried again.
    Probing,
    /// A registrant at an hour that is not its own.
    UnusualHours,
    /// Registered and never used.
    NeverUsed,
    /// Dormant clients that wake together.
    DormantClients,
    /// A client's token requests far off its own history.
    TokenRequestRates,
    /// A jump of errors at the token endpoint.
    TokenErrors,
    /// A change that widens a client.
    Widening,
}

impl DetectorName {
    /// All of them, in the order of the document.
    pub const ALL: [Self; 13] = [
        Self::RegistrationBursts,
        Self::RedirectHostCrowds,
        Self::FirstSights,
        Self::LookalikeNames,
        Self::TokenGuessing,
        Self::CredentialSpread,
        Self::Probing,
        Self::UnusualHours,
        Self::NeverUsed,
        Self::DormantClients,
        Self::TokenRequestRates,
        Self::TokenErrors,
        Self::Widening,
    ];

    /// As it is written in the configuration, in metrics and in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RegistrationBursts => "registration_bursts",
            Self::RedirectHostCrowds => "redirect_host_crowds",
            Self::FirstSights => "first_sights",
            Self::LookalikeNames => "lookalike_names",
            Self::TokenGuessing => "token_guessing",
            Self::CredentialSpread => "credential_spread",
            Self::Probing => "probing",
            Self::UnusualHours => "unusual_hours",
            Self::NeverUsed => "never_used",
            Self::DormantClients => "dormant_clients",
            Self::TokenRequestRates => "token_request_rates",
            Self::TokenErrors => "token_errors",
            Self::Widening => "widening",
        }
    }
}

impl std::str::FromStr for DetectorName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = || Self::ALL.map(Self::as_str).join(", ");
        let known = Self::ALL.into_iter().find(|name| name.as_str() == text);
        known.ok_or_else(|| format!("{text:?} is no detector: write one of {}", all()))
    }
}

/// Whom a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A profile.
    Profile(String),
    /// A network.
    Network(IpNet),
    /// A registrant, by what its attempts are counted under.
    Registrant(String),
    /// A client certificate, by its SHA-256.
    Certificate(String),
    /// An initial access token, by its name.
    Token(String),
    /// A client.
    Client(String),
    /// The host, or the registrable domain, of redirect URIs.
    RedirectHost(String),
    /// Who signs software statements.
    StatementIssuer(String),
    /// The token endpoint as a whole.
    TokenEndpoint,
    /// The registration endpoint as a whole.
    RegistrationEndpoint,
}

impl Subject {
    /// What it is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Profile(_) => "profile",
            Self::Network(_) => "network",
            Self::Registrant(_) => "registrant",
            Self::Certificate(_) => "certificate",
            Self::Token(_) => "token",
            Self::Client(_) => "client",
            Self::RedirectHost(_) => "redirect_host",
            Self::StatementIssuer(_) => "statement_issuer",
            Self::TokenEndpoint => "token_endpoint",
            Self::RegistrationEndpoint => "registration_endpoint",
        }
    }

    /// Whether many clients lead to it: each of them is to be dealt with.
    pub(super) const fn is_of_many_clients(&self) -> bool {
        matches!(self, Self::RedirectHost(_) | Self::StatementIssuer(_))
    }

    /// Which one; empty where there is only one.
    pub fn name(&self) -> String {
        match self {
            Self::Network(network) => network.to_string(),
            Self::Profile(name)
            | Self::Registrant(name)
            | Self::Certificate(name)
            | Self::Token(name)
            | Self::Client(name)
            | Self::RedirectHost(name)
            | Self::StatementIssuer(name) => name.clone(),
            Self::TokenEndpoint | Self::RegistrationEndpoint => String::new(),
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Profile(name) => write!(f, "profile {name}"),
            Self::Network(network) => write!(f, "network {network}"),
            Self::Registrant(key) => write!(f, "registrant {key}"),
            Self::Certificate(thumbprint) => write!(f, "certificate {thumbprint}"),
            Self::Token(name) => write!(f, "initial access token {name}"),
            Self::Client(id) => write!(f, "client {id}"),
            Self::RedirectHost(host) => write!(f, "redirect host {host}"),
            Self::StatementIssuer(issuer) => write!(f, "statement issuer {issuer}"),
            Self::TokenEndpoint => f.write_str("the token endpoint"),
            Self::RegistrationEndpoint => f.write_str("the registration endpoint"),
        }
    }
}

/// How far over its threshold something is: 0.5 just at it, towards 1 far over it. Not a probability.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Score(f64);

impl Score {
    /// Halves what is missing to 1 with each threshold that is reached.
    pub fn over(value: f64, threshold: f64) -> Self {
        Self::of(1.0 - 0.5_f64.powf((value / threshold.max(f64::MIN_POSITIVE)).max(0.0)))
    }

    /// The value itself, in hundredths, kept between 0 and 1.
    pub fn of(value: f64) -> Self {
        Self((value.clamp(0.0, 1.0) * 100.0).round() / 100.0)
    }

    /// Between 0 and 1.
    pub const fn value(self) -> f64 {
        self.0
    }

    /// How grave: those of alerts (informational, warning, critical).
    pub fn band(self) -> Band {
        match self.0 {
            score if score >= 0.9 => Band::Highest,
            // Twice the detector's threshold.
            score if score >= 0.75 => Band::High,
            _ => Band::Low,
        }
    }
}

/// How grave a score is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Band {
    /// Over the threshold.
    Low,
    /// Far over it: metrics count it as high.
    High,
    /// Hardly anything else is meant.
    Highest,
}

/// One number that a finding rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Evidence {
    /// What it counts.
    pub name: String,
    /// How many, or how much.
    pub value: f64,
}

/// What a detector raises; [`super::Detectors`] makes a finding of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Raised {
    /// About whom.
    pub subject: Subject,
    /// How far over the threshold.
    pub score: Score,
    /// The numbers.
    pub evidence: Vec<Evidence>,
    /// What happened, for people.
    pub sentence: String,
}

/// A number of a finding.
pub(super) fn evidence(name: &str, value: impl Into<f64>) -> Evidence {
    Evidence { name: name.to_owned(), value: (value.into() * 100.0).round() / 100.0 }
}

/// What a detector saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// When.
    pub at: Timestamp,
    /// Who saw it.
    pub detector: DetectorName,
    /// What was to become of it.
    pub mode: Mode,
    /// About whom.
    pub subject: Subject,
    /// How far over the threshold.
    pub score: Score,
    /// The numbers.
    pub evidence: Vec<Evidence>,
    /// What happened, for people.
    pub sentence: String,
    /// The request that was the last straw.
    pub request_id: Option<String>,
    /// Whose it was.
    pub involved: Involved,
    /// The same subject was found a moment ago, by another client: nothing is new but what is to be done about this one.
    pub is_of_another_client: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_a_half_at_the_threshold_and_stays_below_one() {
        assert_eq!(Score::over(6.0, 6.0).value(), 0.5);
        assert_eq!(Score::over(12.0, 6.0).value(), 0.75);
        assert!(Score::over(1e9, 6.0).value() <= 1.0 && Score::over(0.0, 6.0).value() == 0.0);
    }

    #[test]
    fn every_detector_is_written_as_serde_writes_it() {
        for name in DetectorName::ALL {
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        }
    }
}
