//! What is done about registrants and profiles at this moment: bans, tightened throttles, approvals, a lockdown. Requests are judged by
//! what this process read of the store last, without waiting; nothing outlasts its own end there, whatever the store does.

mod called_for;
mod event;
mod impose;
mod in_force;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Method;
use tokio::sync::Mutex;

use self::called_for::Wanted;
use self::in_force::{ActiveResponse, InForce};
use super::handler::Head;
use super::reason::Reason;
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use super::{Intake, Tools};
use crate::clock::Timestamp;
use crate::policy::{CertificateIdentity, Profile};
use crate::store::{ResponseAction, ResponseRecord, Store, StoreError};
use crate::telemetry::ResponseCount;
use crate::throttle::limit::Limit;

pub use impose::Ordered;

/// The longest that somebody is asked to wait for the end of a lockdown: it may be lifted sooner.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// The responses in force, as far as this process knows.
#[derive(Default)]
pub(super) struct KnownResponses {
    in_force: ArcSwap<InForce>,
    /// Called for, and not in the store yet.
    waiting: std::sync::Mutex<Vec<Wanted>>,
    /// What is over and could not be undone: how often it was tried, and when it is tried again. Held by whoever ends responses.
    put_off: Mutex<HashMap<String, (u32, Timestamp)>>,
    /// Whoever reads: a reading never replaces a younger one.
    reading: Mutex<()>,
}

impl KnownResponses {
    /// Looks at the store; asks it for one number where nothing was changed.
    async fn refresh(&self, store: &dyn Store) -> Result<(), StoreError> {
        let _turn = self.reading.lock().await;
        let known = self.in_force.load().version();
        if let Some(read) = store.responses_in_force(known).await? {
            self.in_force.rcu(|_| InForce::of(read.clone(), self.held_here()));
        }
        Ok(())
    }

    /// What waits for the store holds beside what the store had.
    fn hold(&self) {
        self.in_force.rcu(|known| known.beside(self.held_here()));
    }

    fn held_here(&self) -> Vec<ResponseRecord> {
        self.waiting().iter().map(|wanted| wanted.response.clone()).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Wanted>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ban of the address; none of a known network holds, whoever imposed it and by whichever configuration.
pub(super) fn ban_of(rulebook: &Rulebook, tools: &Tools, address: IpAddr) -> Option<ActiveResponse> {
    let in_force = tools.responses.in_force.load();
    if in_force.is_empty() {
        return None;
    }
    let ban = in_force.ban_of(address, tools.clock.now())?;
    (!rulebook.responder.knows(address)).then(|| ban.clone())
}

/// Whether requests from the address are answered.
pub(super) fn check_address(rulebook: &Rulebook, tools: &Tools, address: IpAddr) -> Result<(), Refusal> {
    ban_of(rulebook, tools, address).map_or(Ok(()), |ban| Err(by(Reason::AddressBanned, &ban)))
}

/// Whether the holder of the certificate may register, or manage a client.
pub(super) fn check_certificate(tools: &Tools, certificate: Option<&CertificateIdentity>) -> Result<(), Refusal> {
    let Some(certificate) = certificate else { return Ok(()) };
    let in_force = tools.responses.in_force.load();
    let ban = in_force.on(ResponseAction::BanCertificate, &certificate.thumbprint, tools.clock.now());
    ban.map_or(Ok(()), |ban| Err(by(Reason::CertificateBanned, ban)))
}

/// Whether the holder of the initial access token of this name may register.
pub(super) fn check_token(tools: &Tools, name: &str) -> Result<(), Refusal> {
    let in_force = tools.responses.in_force.load();
    let ban = in_force.on(ResponseAction::BanToken, name, tools.clock.now());
    ban.map_or(Ok(()), |ban| Err(by(Reason::TokenBanned, ban)))
}

/// Whether clients are registered and changed at all.
pub(super) fn check_lockdown(tools: &Tools) -> Result<(), Refusal> {
    let now = tools.clock.now();
    let in_force = tools.responses.in_force.load();
    let Some(lockdown) = in_force.on(ResponseAction::Lockdown, "", now) else { return Ok(()) };
    let wait = lockdown.until.since(now).min(LONGEST_WAIT);
    Err(by(Reason::RegistrationLockedDown, lockdown).retry_after(wait))
}

/// Whether a client may manage itself, before it is looked at: reading and deleting go on in a lockdown, changing does not.
pub(super) fn check_management(rulebook: &Rulebook, tools: &Tools, head: &Head) -> Result<(), Refusal> {
    check_address(rulebook, tools, head.client_address)?;
    if head.method == Method::PUT { check_lockdown(tools) } else { Ok(()) }
}

fn by(reason: Reason, response: &ActiveResponse) -> Refusal {
    Refusal::from(reason).by_response(response.id.clone())
}

/// The profile as it is to be applied now: its clients may have to wait for an approval.
pub(super) fn applied(rulebook: &Rulebook, tools: &Tools, profile: &Profile) -> Profile {
    let in_force = tools.responses.in_force.load();
    let needs_approval = in_force.on(ResponseAction::RequireApproval, profile.name(), tools.clock.now()).is_some();
    let stricter = rulebook.under_approval.get(profile.name()).filter(|_| needs_approval);
    stricter.unwrap_or(profile).clone()
}

/// The profile's limit where it is tightened, and by which response.
pub(super) fn tightened(tools: &Tools, profile: &str, limit: &Limit) -> Option<(Limit, Arc<str>)> {
    let in_force = tools.responses.in_force.load();
    let response = in_force.on(ResponseAction::TightenThrottle, profile, tools.clock.now())?;
    let factor = NonZeroU32::new(response.factor)?;
    Some((limit.tightened(factor), response.id.clone()))
}

impl Intake {
    /// How many responses are in force, for the metrics.
    pub fn response_counts(&self) -> Vec<ResponseCount> {
        self.tools.responses.in_force.load().counts(self.tools.clock.now())
    }
}
