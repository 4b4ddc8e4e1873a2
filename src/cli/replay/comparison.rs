//! What was decided about a request and what would be: whether that is a difference, and what it comes from. Pure.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::intake::reason::Reason;
use crate::intake::replay::{Judgement, Judges};
use crate::policy::approval::ApprovalNeeded;
use crate::policy::{Judged, Profile};
use crate::registration::redirect_uri::RedirectUriKind;
use crate::registration::{RedirectUri, json};
use crate::store::RecordedRequest;
use crate::telemetry::Decision;

/// What would be different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// It went to the server, and would not.
    Refused,
    /// It was refused or let through, and would be admitted.
    Admitted,
    /// It was refused or admitted, and would be let through by rules that only report.
    LetThrough,
    /// By another profile, with other scopes, with or without an approval.
    Otherwise,
}

/// What comes of a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Effect {
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<&'static str>,
}

/// How a request fares.
#[derive(Debug)]
pub(super) enum Compared {
    AsBefore,
    /// It was not judged then, or takes what is not kept.
    Undecided,
    Changed(Box<Difference>),
}

/// What was decided, what would be, and why.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) change: Change,
    pub(super) from: Effect,
    pub(super) to: Effect,
    /// The sentences of the rules.
    pub(super) because: Vec<String>,
}

/// Judges it again.
pub(super) fn compare(request: &RecordedRequest, judges: &Judges<'_>) -> Compared {
    let Some(from) = then(request) else { return Compared::Undecided };
    let (to, because) = match judges.judge(request) {
        Judgement::Undecided { .. } => return Compared::Undecided,
        Judgement::Refused { profile, reason } => {
            (Effect::refused(profile), vec![format!("{} ({})", reason.explained().sentence, reason.name())])
        }
        Judgement::Judged { profile, verdict } => {
            let violations = verdict.result.as_ref().err().into_iter().flatten();
            let because = violations.map(|violation| violation.message.clone()).collect();
            match verdict.passage() {
                Ok(passage) => (Effect::passed(profile, passage.judged()), because),
                Err(_) => (Effect::refused(Some(profile)), because),
            }
        }
    };
    let change = match (from.decision, to.decision) {
        (REFUSED, REFUSED) => return Compared::AsBefore,
        (_, REFUSED) => Change::Refused,
        (before, ADMITTED) if before != ADMITTED => Change::Admitted,
        (before, LET_THROUGH) if before != LET_THROUGH => Change::LetThrough,
        _ if from == to => return Compared::AsBefore,
        _ => Change::Otherwise,
    };
    Compared::Changed(Box::new(Difference { change, from, to, because }))
}

const REFUSED: &str = Decision::Refuse.as_str();
const ADMITTED: &str = Decision::Admit.as_str();
const LET_THROUGH: &str = Decision::ReportOnly.as_str();

/// What was decided; none where it was refused before the rules were asked, for a reason of that moment. What refused it afterwards, as a quota,
/// is of that moment, too: what the rules said is what counts.
fn then(request: &RecordedRequest) -> Option<Effect> {
    let decision = match request.decision.as_str() {
        ADMITTED => ADMITTED,
        LET_THROUGH => LET_THROUGH,
        _ => match Reason::named(&request.reason)? {
            Reason::RulesViolated
            | Reason::StatementRequired
            | Reason::StatementInvalid
            | Reason::StatementExpired
            | Reason::StatementBindingUnmet
            | Reason::StatementIssuerUntrusted
            | Reason::StatementBlocked => REFUSED,
            _ if request.scope_granted.is_none() => return None,
            _ if request.violations.is_empty() => ADMITTED,
            _ => LET_THROUGH,
        },
    };
    let profile = request.profile.clone();
    if decision == REFUSED {
        return Some(Effect { decision, profile, scope: None, withheld: None, approval: None });
    }
    let (scope, withheld) = (request.scope_granted.clone(), request.scope_withheld.clone());
    Some(Effect { decision, profile, scope, withheld, approval: approval(request.approval) }.without_empty())
}

fn approval(needed: ApprovalNeeded) -> Option<&'static str> {
    match needed {
        ApprovalNeeded::None => None,
        ApprovalNeeded::Required => Some("required"),
        ApprovalNeeded::BeforeUse => Some("before_use"),
    }
}

impl Effect {
    fn refused(profile: Option<&Profile>) -> Self {
        let profile = profile.map(|profile| profile.name().to_owned());
        Self { decision: REFUSED, profile, scope: None, withheld: None, approval: None }
    }

    fn passed(profile: &Profile, judged: &dyn Judged) -> Self {
        let scopes = judged.scopes();
        let effect = Self {
            decision: if judged.clearance().is_some() { ADMITTED } else { LET_THROUGH },
            profile: Some(profile.name().to_owned()),
            scope: Some(scopes.granted.to_string()),
            withheld: Some(scopes.withheld.to_string()),
            approval: approval(profile.approvals().needed),
        };
        effect.without_empty()
    }

    fn without_empty(self) -> Self {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self { scope: filled(self.scope), withheld: filled(self.withheld), ..self }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.decision)?;
        let parts = [
            ("profile", self.profile.as_deref()),
            ("scope", self.scope.as_deref()),
            ("withheld", self.withheld.as_deref()),
            ("approval", self.approval),
        ];
        let parts: Vec<String> =
            parts.iter().filter_map(|(name, value)| Some(format!("{name} {:?}", value.as_ref()?))).collect();
        if parts.is_empty() { Ok(()) } else { write!(f, " ({})", parts.join(", ")) }
    }
}

impl Change {
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Refused => "would be refused",
            Self::Admitted => "would be admitted",
            Self::LetThrough => "would be let through, and reported",
            Self::Otherwise => "would be admitted otherwise",
        }
    }
}

/// Whose requests are told of together: the name, and the redirect URIs without loopback ports, which change with every start of a program.
pub(super) fn client(metadata: &Map<String, Value>) -> (Option<String>, Vec<String>) {
    let name = json::text_of(metadata, "client_name").filter(|name| !name.is_empty()).map(str::to_owned);
    let written = |text: &str| match RedirectUri::parse(text) {
        Ok(uri) if matches!(uri.kind(), RedirectUriKind::Loopback(_)) => uri.without_port().as_str().to_owned(),
        _ => text.to_owned(),
    };
    let mut uris: Vec<String> = json::texts_of(metadata, "redirect_uris").map(written).collect();
    uris.sort();
    uris.dedup();
    (name, uris)
}

#[cfg(test)]
mod tests;
