//! The `anomalies` section: what is known, how much is remembered, and each detector's thresholds; these stand with the detectors.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::detectors::credential_spread::CredentialSpreadSettings;
use super::detectors::dormant_clients::DormantClientsSettings;
use super::detectors::first_sights::FirstSightsSettings;
use super::detectors::lookalike_names::LookalikeNamesSettings;
use super::detectors::never_used::NeverUsedSettings;
use super::detectors::probing::ProbingSettings;
use super::detectors::redirect_host_crowds::RedirectHostCrowdsSettings;
use super::detectors::registration_bursts::RegistrationBurstsSettings;
use super::detectors::token_errors::TokenErrorsSettings;
use super::detectors::token_guessing::TokenGuessingSettings;
use super::detectors::token_request_rates::TokenRequestRatesSettings;
use super::detectors::unusual_hours::UnusualHoursSettings;
use super::detectors::widening::WideningSettings;
use super::distinct::MOST_TOLD;
use super::response::ResponseSettings;
use crate::duration::DurationText;
use crate::policy::matching::Network;
use crate::setting_problem::SettingProblem;

/// What becomes of what a detector sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It does not look.
    Off,
    /// It is told, and nothing is done about it.
    #[default]
    Report,
}

impl Mode {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Report => "report",
        }
    }
}

/// The `anomalies` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnomalySettings {
    /// Networks that are known to you, in CIDR notation: none of them is ever the subject of a finding, or of a ban. Default: none.
    pub known_networks: Vec<Network>,
    /// What the gateway does about findings by itself (docs/responses.md). Default: nothing.
    pub responses: Vec<ResponseSettings>,
    /// How many sources (registrants, hosts, clients, networks) each detector remembers, about 200 octets each; past that, the one not
    /// seen for longest is forgotten. Default: 20000.
    pub sources: NonZeroU32,
    /// How long detectors that compare with the past only learn, from the start of the gateway. Default: 1d.
    pub learning: DurationText,
    /// More registrations than the profile has had at this hour.
    pub registration_bursts: RegistrationBurstsSettings,
    /// Many registrants for one redirect host, more than it is used to.
    pub redirect_host_crowds: RedirectHostCrowdsSettings,
    /// A redirect host or a statement issuer that was never seen before.
    pub first_sights: FirstSightsSettings,
    /// Names close to protected ones, and protected ones with a redirect host they never had.
    pub lookalike_names: LookalikeNamesSettings,
    /// Many different bad credentials from one network, or from everywhere.
    pub token_guessing: TokenGuessingSettings,
    /// One certificate or token from many networks.
    pub credential_spread: CredentialSpreadSettings,
    /// Requests that are refused, adapted and tried again until the rules are known.
    pub probing: ProbingSettings,
    /// A certificate or token that registers at an hour at which it never does.
    pub unusual_hours: UnusualHoursSettings,
    /// Registrants whose clients are never used.
    pub never_used: NeverUsedSettings,
    /// Many clients of long ago used again from one network.
    pub dormant_clients: DormantClientsSettings,
    /// A client's token requests far off its own history.
    pub token_request_rates: TokenRequestRatesSettings,
    /// A jump in the share of errors at the token endpoint.
    pub token_errors: TokenErrorsSettings,
    /// Changes that widen a client (RFC 7592).
    pub widening: WideningSettings,
}

impl AnomalySettings {
    /// Thresholds that nothing could reach.
    pub fn problems(&self) -> Vec<SettingProblem> {
        let counted = [
            ("redirect_host_crowds.minimum", self.redirect_host_crowds.minimum),
            ("token_guessing.guesses", self.token_guessing.guesses),
            ("credential_spread.minimum", self.credential_spread.minimum),
            ("probing.attempts", self.probing.attempts),
            ("probing.refusals", self.probing.refusals),
            ("dormant_clients.minimum", self.dormant_clients.minimum),
        ];
        let never = counted.into_iter().filter(|(_, threshold)| threshold.get() > MOST_TOLD);
        let problem = |(place, threshold): (&str, NonZeroU32)| {
            let reason = format!("{threshold} is never reached: so many cannot be told apart");
            SettingProblem::new(place, reason, format!("write {MOST_TOLD} or less; mode: off turns a detector off"))
        };
        never.map(problem).collect()
    }
}

impl Default for AnomalySettings {
    fn default() -> Self {
        Self {
            known_networks: Vec::new(),
            responses: Vec::new(),
            sources: count(20_000),
            learning: days(1),
            registration_bursts: RegistrationBurstsSettings::default(),
            redirect_host_crowds: RedirectHostCrowdsSettings::default(),
            first_sights: FirstSightsSettings::default(),
            lookalike_names: LookalikeNamesSettings::default(),
            token_guessing: TokenGuessingSettings::default(),
            credential_spread: CredentialSpreadSettings::default(),
            probing: ProbingSettings::default(),
            unusual_hours: UnusualHoursSettings::default(),
            never_used: NeverUsedSettings::default(),
            dormant_clients: DormantClientsSettings::default(),
            token_request_rates: TokenRequestRatesSettings::default(),
            token_errors: TokenErrorsSettings::default(),
            widening: WideningSettings::default(),
        }
    }
}

/// A default that is not zero.
pub(super) const fn count(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

pub(super) const fn minutes(number: u64) -> DurationText {
    DurationText(Duration::from_secs(number * 60))
}

pub(super) const fn hours(number: u64) -> DurationText {
    minutes(number * 60)
}

pub(super) const fn days(number: u64) -> DurationText {
    hours(number * 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_is_the_default() {
        let written: AnomalySettings = serde_yaml::from_str("probing: { mode: off }").unwrap();
        assert_eq!(written.probing, ProbingSettings { mode: Mode::Off, ..ProbingSettings::default() });
        assert_eq!(AnomalySettings { probing: ProbingSettings::default(), ..written }, AnomalySettings::default());
    }

    #[test]
    fn a_threshold_that_nothing_could_reach_is_a_problem() {
        let places = |yaml: &str| -> Vec<String> {
            let written: AnomalySettings = serde_yaml::from_str(yaml).unwrap();
            written.problems().into_iter().map(|problem| problem.place).collect()
        };
        assert_eq!(places("{}"), Vec::<String>::new());
        assert_eq!(places("{ probing: { attempts: 1500 }, token_guessing: { guesses: 1500 } }"), Vec::<String>::new());
        let above = places("{ probing: { attempts: 1501 }, token_guessing: { guesses: 1501 } }");
        assert_eq!(above, ["token_guessing.guesses", "probing.attempts"]);
    }

    #[test]
    fn a_key_nobody_knows_and_a_threshold_of_nothing_are_refused() {
        for wrong in ["probings: {}", "probing: { atempts: 3 }", "probing: { attempts: 0 }", "known_networks: [here]"] {
            assert!(serde_yaml::from_str::<AnomalySettings>(wrong).is_err(), "{wrong}");
        }
    }
}
