//! Recorded requests judged again, by whichever rules: the same choice of a profile and the same judgement as on the path, and nothing
//! else. Throttles, quotas, and whether a credential is still good are of the moment and not asked. Sends nothing.

use super::choosing;
use super::reason::Reason;
use super::refusal::Refusal;
use crate::authorization_server;
use crate::authorization_server::settings::Kind;
use crate::policy::profile::Requirement;
use crate::policy::{Presented, PresentedToken, Profile, Verdict};
use crate::registrant::software_statement::StatementIssuers;
use crate::registration::software_statement::MEMBER;
use crate::registration::{ClientMetadata, SoftwareStatement};
use crate::store::RecordedRequest;

/// The rules that are tried.
#[derive(Clone, Copy)]
pub struct Judges<'j> {
    /// In the order of the configuration.
    pub profiles: &'j [Profile],
    /// What kind of server it is for.
    pub kind: Kind,
    /// Whose software statements count.
    pub statements: &'j StatementIssuers,
}

/// What became of a recorded request.
#[derive(Debug)]
pub enum Judgement<'j> {
    /// The rules of a profile were asked.
    Judged {
        /// The profile.
        profile: &'j Profile,
        /// What they made of it.
        verdict: Box<Verdict>,
    },
    /// It is refused before any rule is asked.
    Refused {
        /// The profile, where one fits.
        profile: Option<&'j Profile>,
        /// Why.
        reason: Reason,
    },
    /// It takes something that is not kept.
    Undecided {
        /// The profile.
        profile: &'j Profile,
        /// What is not kept, a sentence.
        why: &'static str,
    },
}

impl<'j> Judges<'j> {
    /// Chooses the profile and judges.
    pub fn judge(&self, request: &RecordedRequest) -> Judgement<'j> {
        let presented = presented(request);
        let profile = match choosing::fitting(self.profiles, &presented) {
            Ok(profile) => profile,
            Err(reason) => return Judgement::Refused { profile: None, reason },
        };
        match choosing::missing(profile, &presented) {
            Some(reason) => Judgement::Refused { profile: Some(profile), reason },
            None => self.judge_by(profile, request),
        }
    }

    /// Judges by this profile, whether or not it fits who asked.
    pub fn judge_by(&self, profile: &'j Profile, request: &RecordedRequest) -> Judgement<'j> {
        let metadata = request.metadata.clone();
        let is_presented = metadata.get(MEMBER).is_some_and(|text| !text.is_null() && text.as_str() != Some(""));
        let requested = match (profile.software_statement(), &request.registrant.statement) {
            (Requirement::Required, None) if !is_presented => {
                return Judgement::Refused { profile: Some(profile), reason: Reason::StatementRequired };
            }
            (Requirement::Required | Requirement::Optional, None) if is_presented => {
                let why = "its software statement was not verified then, and is not kept";
                return Judgement::Undecided { profile, why };
            }
            (Requirement::Required | Requirement::Optional, Some(recorded)) => {
                let (issuer, software_id) = (recorded.issuer.clone(), recorded.software_id.clone());
                let (text, members) = (super::recorded::NOT_KEPT.to_owned(), recorded.metadata.clone());
                let statement = SoftwareStatement { text, issuer, software_id, members };
                let requested = statement.apply(metadata);
                let accepted = self.statements.still_accept(&statement.issuer, requested.software_id.as_deref());
                if let Err(refusal) = accepted {
                    let reason = Refusal::statement(refusal).reason();
                    return Judgement::Refused { profile: Some(profile), reason };
                }
                requested
            }
            (Requirement::Off | Requirement::Optional | Requirement::Required, _) => {
                ClientMetadata::from_json(metadata)
            }
        };
        let verdict = authorization_server::judge(self.kind, profile, &requested);
        Judgement::Judged { profile, verdict: Box::new(verdict) }
    }
}

/// What a profile's `match` may look at.
fn presented(request: &RecordedRequest) -> Presented<'_> {
    let registrant = &request.registrant;
    let token = match &registrant.token {
        None => PresentedToken::None,
        Some(token) => token.profile.as_deref().map_or(PresentedToken::ForAnyProfile, PresentedToken::ForProfile),
    };
    Presented { address: registrant.address, certificate: registrant.certificate.as_ref(), initial_access_token: token }
}
