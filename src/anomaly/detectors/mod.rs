//! One file per detector: what it looks at, by which statistic, its thresholds, its state.

pub mod credential_spread;
pub mod dormant_clients;
pub mod first_sights;
pub mod lookalike_names;
pub mod never_used;
pub mod probing;
pub mod redirect_host_crowds;
pub mod registration_bursts;
pub mod token_errors;
pub mod token_guessing;
pub mod token_request_rates;
pub mod unusual_hours;
pub mod widening;

use super::detector::Detector;
use super::finding::DetectorName;
use super::settings::{AnomalySettings, Mode};
use crate::duration::DurationText;

/// What every detector has beside its thresholds.
pub(super) struct Habits {
    pub(super) mode: Mode,
    pub(super) cooldown: DurationText,
}

type Made = (DetectorName, Habits, Box<dyn Detector>);

/// All of them.
pub(super) fn all(settings: &AnomalySettings) -> [Made; 13] {
    use DetectorName as Name;
    let s = settings;
    let (sources, learning) = (s.sources, s.learning);
    let habits = |mode, cooldown| Habits { mode, cooldown };
    [
        (
            Name::RegistrationBursts,
            habits(s.registration_bursts.mode, s.registration_bursts.cooldown),
            Box::new(registration_bursts::RegistrationBursts::new(s.registration_bursts, learning)),
        ),
        (
            Name::RedirectHostCrowds,
            habits(s.redirect_host_crowds.mode, s.redirect_host_crowds.cooldown),
            Box::new(redirect_host_crowds::RedirectHostCrowds::new(s.redirect_host_crowds, sources, learning)),
        ),
        (
            Name::FirstSights,
            habits(s.first_sights.mode, s.first_sights.cooldown),
            Box::new(first_sights::FirstSights::new(s.first_sights, sources)),
        ),
        (
            Name::LookalikeNames,
            habits(s.lookalike_names.mode, s.lookalike_names.cooldown),
            Box::new(lookalike_names::LookalikeNames::new(&s.lookalike_names, learning)),
        ),
        (
            Name::TokenGuessing,
            habits(s.token_guessing.mode, s.token_guessing.cooldown),
            Box::new(token_guessing::TokenGuessing::new(s.token_guessing, sources)),
        ),
        (
            Name::CredentialSpread,
            habits(s.credential_spread.mode, s.credential_spread.cooldown),
            Box::new(credential_spread::CredentialSpread::new(s.credential_spread, sources)),
        ),
        (
            Name::Probing,
            habits(s.probing.mode, s.probing.cooldown),
            Box::new(probing::Probing::new(s.probing, sources)),
        ),
        (
            Name::UnusualHours,
            habits(s.unusual_hours.mode, s.unusual_hours.cooldown),
            Box::new(unusual_hours::UnusualHours::new(s.unusual_hours, sources)),
        ),
        (
            Name::NeverUsed,
            habits(s.never_used.mode, s.never_used.cooldown),
            Box::new(never_used::NeverUsed::new(s.never_used, sources)),
        ),
        (
            Name::DormantClients,
            habits(s.dormant_clients.mode, s.dormant_clients.cooldown),
            Box::new(dormant_clients::DormantClients::new(s.dormant_clients, sources)),
        ),
        (
            Name::TokenRequestRates,
            habits(s.token_request_rates.mode, s.token_request_rates.cooldown),
            Box::new(token_request_rates::TokenRequestRates::new(s.token_request_rates, sources)),
        ),
        (
            Name::TokenErrors,
            habits(s.token_errors.mode, s.token_errors.cooldown),
            Box::new(token_errors::TokenErrors::new(s.token_errors, learning)),
        ),
        (Name::Widening, habits(s.widening.mode, s.widening.cooldown), Box::new(widening::Widening::new(s.widening))),
    ]
}
