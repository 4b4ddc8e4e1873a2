//! When two registrations are for the same public client: what is registered, by which profile, by which verified registrant. Pure.

use sha2::{Digest, Sha256};

use crate::authorization_server::Registrar;
use crate::policy::Judged;
use crate::registrant::Registrant;
use crate::registrant::initial_access_token::VerifiedToken;
use crate::registration::{Scope, json};
use crate::store::MetadataDigest;

/// SHA-256 over all that makes it the same client; none for a confidential client, which nobody else may be given.
///
/// The metadata are those that would be sent, so a loopback port counts only where the server does not accept any (RFC 8252
/// §7.3). The order of members does not count (a map keeps them in order); that of a list does, because
/// the answer shows it. What was withheld does: an approval would grant it to everybody. So does whether the rules admitted it: what
/// they only let through is another client, which whoever is admitted is not given.
pub(super) fn digest(
    registrar: &dyn Registrar,
    registrant: &Registrant,
    judged: &dyn Judged,
) -> Option<MetadataDigest> {
    if json::text_of(judged.metadata(), "token_endpoint_auth_method") != Some("none") {
        return None;
    }
    let sent = registrar.outgoing(judged);
    let who = (
        registrant.certificate.as_ref().map(|certificate| certificate.thumbprint.as_str()),
        registrant.token.as_ref().map(VerifiedToken::source),
        registrant.statement.as_ref().map(|statement| (statement.issuer.as_str(), statement.software_id.as_deref())),
    );
    let mut withheld: Vec<&str> = judged.scopes().withheld.iter().map(Scope::as_str).collect();
    withheld.sort_unstable();
    let whole = (judged.profile(), who, withheld, sent);
    // Texts, numbers and lists can always be written. What could not has no digest: an empty one would be that of all such clients.
    let text = match judged.clearance() {
        Some(_) => serde_json::to_vec(&whole),
        None => serde_json::to_vec(&("let through", whole)),
    };
    Some(MetadataDigest(Sha256::digest(text.ok()?).into()))
}
