//! A profile as the operator writes it. What it means is [`super::Profile`], made by `Profile::compile`.
//! A member that is absent says nothing: the preset's value holds, or else the default of a profile without preset.

use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(in crate::policy) use crate::setting_problem::SettingProblem;

use super::approval::{ApprovalNeeded, Elevation};
use super::enforcement::Enforcement;
use super::matching::MatchSettings;
use super::preset::PresetName;
use super::rule::RuleName;
use super::rules::application_type::ApplicationTypeSettings;
use super::rules::client_name::ClientNameSettings;
use super::rules::contacts::ContactSettings;
use super::rules::jwks::KeySettings;
use super::rules::plain_members::AlgorithmSettings;
use super::rules::redirect_uris::RedirectUriSettings;
use super::rules::urls::UrlSettings;
use super::scopes::{Excess, ScopeSettings};
use crate::duration::DurationText;
use crate::text_form;

/// Elsewhere nothing is the default; here a condition that was commented out would open the profile to everybody.
fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MatchSettings, D::Error> {
    let conditions = Option::<MatchSettings>::deserialize(deserializer)?;
    conditions
        .ok_or_else(|| serde::de::Error::custom("nothing stands below it: write `{}` if the profile is for everybody"))
}

/// One entry of `profiles`: a named set of rules. The first profile whose `match` fits the registrant applies; none fits: refused.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileSettings {
    /// Its name, in answers, logs, metrics and on the command line: lower-case letters, digits, `-` and `_`, at most 64.
    pub name: String,
    /// The values to start from. What is written beside it is put over them, member by member; lists are replaced whole.
    #[serde(default)]
    pub preset: Option<PresetName>,
    /// Whom the profile is for, by what was presented and verified. All conditions must hold; `{}` fits everybody.
    #[serde(rename = "match", deserialize_with = "written")]
    #[schemars(with = "MatchSettings")]
    pub matches: MatchSettings,
    /// The client certificate: `off` (one presented is ignored), `optional`, or `required` (its absence refuses). Default: optional.
    #[serde(default)]
    pub client_certificate: Option<Requirement>,
    /// The initial access token: `off`, `optional`, or `required` (its absence refuses). Default: required, closed; the `mcp` preset: off.
    #[serde(default)]
    pub initial_access_token: Option<Requirement>,
    /// The software statement (RFC 7591 §2.3): `off` (one presented is left out of the request), `optional`, or `required` (its absence
    /// refuses). Its issuers stand in `software_statements`. Default: off.
    #[serde(default)]
    pub software_statement: Option<Requirement>,
    /// Which redirect URIs a client may have. Default: none.
    #[serde(default)]
    pub redirect_uris: Option<RedirectUriSettings>,
    /// The grant types a client may have. Default: authorization_code, refresh_token.
    #[serde(default)]
    pub grant_types: Option<Vec<String>>,
    /// The response types a client may have. Default: code.
    #[serde(default)]
    pub response_types: Option<Vec<String>>,
    /// What becomes of a response type that `response_types` does not list: `refuse` refuses the request; `drop` leaves it out where one that is allowed was asked for, too, for clients that
    /// list all they are able to (mod_auth_openidc). Default: refuse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excess_response_types: Option<Excess>,
    /// How a client may authenticate at the token endpoint; the first is given to one that asks for none where the
    /// specification's default, client_secret_basic, is not in the list.
    /// Default: every method of RFC 7591, OpenID Connect and RFC 8705, also none. `attest_jwt_client_auth`, and methods that are
    /// URIs, are for you to add.
    #[serde(default)]
    pub token_endpoint_auth_methods: Option<Vec<String>>,
    /// `application_type`: what is allowed, and what is sent when a client names none.
    #[serde(default)]
    pub application_type: Option<ApplicationTypeSettings>,
    /// `client_name`: its length, and the names that belong to somebody.
    #[serde(default)]
    pub client_name: Option<ClientNameSettings>,
    /// The members that are URLs (`client_uri`, `logo_uri`, `jwks_uri`, …).
    #[serde(default)]
    pub urls: Option<UrlSettings>,
    /// The keys a client registers.
    #[serde(default)]
    pub jwks: Option<KeySettings>,
    /// `contacts`.
    #[serde(default)]
    pub contacts: Option<ContactSettings>,
    /// The signing and encryption algorithms a client may ask for.
    #[serde(default)]
    pub algorithms: Option<AlgorithmSettings>,
    /// The scopes: what a client gets that asks for none, what it may ask for, what needs an approval.
    #[serde(default)]
    pub scopes: Option<ScopeSettings>,
    /// What a client may ask authorization for by `authorization_details` (RFC 9396): the entries of `authorization_details_types` that it may
    /// register; any other is left out. Where the profile says `approval`, only clients that are approved get them, by a change of
    /// themselves. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details_types: Option<Vec<String>>,
    /// Whether somebody must approve a client: `none`; `required`, it works with the initial scopes until then and is removed when nobody
    /// approves it in time; `before_use`, it is registered and disabled until then (only where the server can disable a client). Default: none.
    #[serde(default)]
    pub approval: Option<ApprovalNeeded>,
    /// How long a client waits for an approval before it is removed. Default: 7d.
    #[serde(default)]
    pub pending_for: Option<DurationText>,
    /// Whether an approval takes two people: the first one is kept until somebody else gives the second. Default: false.
    #[serde(default)]
    pub four_eyes: Option<bool>,
    /// How an active client gets more scopes than it has: `by_approval`, or `automatic`, by asking in a change of itself
    /// (only where a certificate or a software statement says who asks). Default: by_approval.
    #[serde(default)]
    pub elevation: Option<Elevation>,
    /// How long an active client may stay without ever being used before it is removed at the server; one that was used never is by its age.
    /// At least 1h. Only where the gateway sees the uses (`docs/clean-up.md`). Default: for ever.
    #[serde(default)]
    pub expire_unused_after: Option<DurationText>,
    /// How often one registrant (the client certificate; without one the initial access token, or whoever holds it; else the address) may try.
    /// Default: no limit but the throttle's own.
    #[serde(default)]
    pub limits: Option<LimitSettings>,
    /// Whether the rules refuse, or only report: what they would refuse is recorded and sent on without the gateway's credential
    /// (`docs/report-only.md`). Default: the `enforcement` of the whole configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,
    /// The rules that only report while all others refuse, by their names in `violations`: `redirect_uris`, `client_name`, … Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_only: Option<Vec<RuleName>>,
}

/// Whether a credential is looked at, and whether it must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// One presented is ignored.
    Off,
    /// One presented is used; none is needed.
    Optional,
    /// Its absence refuses.
    Required,
}

/// How often one registrant may try to register, and how many clients there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// How many attempts in how long, in the long run: `10/s`, `100/m`, `1000/h`, `100/day`.
    pub rate: Rate,
    /// How many attempts may come at once; at least 1.
    pub burst: NonZeroU32,
    /// How many clients one registrant may register in a period that begins at a whole multiple of its length (a day: at midnight UTC):
    /// `100/day`. Counted in the store, exactly, across restarts and replicas. Default: no quota.
    #[serde(default)]
    pub registrations: Option<Rate>,
    /// How many clients one registrant may have at once. Default: no quota.
    #[serde(default)]
    pub live_clients: Option<NonZeroU32>,
    /// The quotas of all registrants of the profile together.
    #[serde(default)]
    pub total: TotalLimitSettings,
}

/// How many clients all registrants of a profile may register and have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TotalLimitSettings {
    /// In a period: `1000/day`. Default: no quota.
    pub registrations: Option<Rate>,
    /// At once. Default: no quota.
    pub live_clients: Option<NonZeroU32>,
    /// The part of both that only registrants who have a live client already may use, so that a flood of new ones locks nobody out: `20%`. Default: 0%.
    pub reserved_for_known: Percent,
}

/// A part of a whole, written `20%`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
#[schemars(transparent)]
pub struct Percent(#[schemars(with = "String", regex(pattern = r"^[0-9]{1,3}%$"))] u8);

impl Percent {
    /// From 0 to 100.
    pub const fn value(self) -> u8 {
        self.0
    }
}

impl std::str::FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let problem = || format!("{text:?} is not a part: write a whole number from 0 to 100 and %, like 20%");
        let digits = text.strip_suffix('%').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let value = digits.and_then(|digits| digits.parse().ok()).filter(|value| *value <= 100);
        value.map(Self).ok_or_else(problem)
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_form::deserialize(deserializer, "a part like 20%")
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A number of attempts in a span of time, written `10/s`, `100/m`, `1000/h` or `100/day`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(transparent)]
pub struct Rate(#[schemars(with = "String", regex(pattern = r"^[1-9][0-9]*/(s|m|h|d|day)$"))] RateParts);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RateParts {
    count: NonZeroU32,
    unit: &'static str,
    per: Duration,
}

/// The spans a rate can be over: as written, and how long each is in seconds.
const SPANS: [(&str, u64); 5] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("day", 86_400)];

impl Rate {
    /// So many attempts in a second.
    pub const fn per_second(count: NonZeroU32) -> Self {
        Self(RateParts { count, unit: "s", per: Duration::from_secs(1) })
    }

    /// How many attempts.
    pub const fn count(self) -> NonZeroU32 {
        self.0.count
    }

    /// In how long.
    pub const fn per(self) -> Duration {
        self.0.per
    }
}

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let problem =
            || format!("{text:?} is not a rate: write a whole number above 0, a slash and s, m, h or day, like 10/s");
        let (count, span) = text.split_once('/').ok_or_else(problem)?;
        if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(problem());
        }
        let count = count.parse().map_err(|_| problem())?;
        let (unit, seconds) = SPANS.into_iter().find(|(unit, _)| *unit == span).ok_or_else(problem)?;
        Ok(Self(RateParts { count, unit, per: Duration::from_secs(seconds) }))
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.0.count, self.0.unit)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_form::deserialize(deserializer, "a rate like 10/s")
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_and_a_span() {
        for (text, count, seconds) in
            [("10/s", 10, 1), ("100/m", 100, 60), ("1000/h", 1000, 3600), ("100/day", 100, 86_400)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.count().get(), rate.per().as_secs(), rate.to_string().as_str()), (count, seconds, text));
        }
    }

    #[test]
    fn a_part_is_a_number_and_a_percent_sign() {
        for (text, value) in [("0%", 0), ("20%", 20), ("100%", 100)] {
            assert_eq!(text.parse::<Percent>().map(Percent::value), Ok(value));
        }
        for text in ["", "20", "%", "101%", "-1%", "1.5%", "20 %"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_a_rate_it_would_have_to_guess() {
        for text in ["", "10", "0/s", "10/", "/s", "+1/s", "-1/s", "1.5/s", "10/w", "10 / s", "4294967296/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
