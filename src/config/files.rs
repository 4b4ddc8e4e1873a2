//! The files a configuration names: relative to the directory of the configuration file, there, readable, holding what they should;
//! secrets not for everybody to read.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Findings;
use super::fingerprint::{Fingerprint, Fingerprints};
use super::node::Node;
use super::place::Place;
use super::settings::GatewaySettings;
use crate::alert::signature::Signer;
use crate::audit::SigningKeys;
use crate::audit::settings::ExportSettings;
use crate::authorization_server::settings::{AdministrationSettings, CredentialSettings};
use crate::key_file::KeyFileError;
use crate::pem;
use crate::registrant::issuer_keys::IssuerKeys;
use crate::sealing::Keys;
use crate::secret::Secret;
use crate::store::settings::StoreUrl;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// One secret: a password, a token.
    Secret,
    /// Secrets that sign what a webhook gets, one on each line.
    SigningSecrets,
    /// The private key of a certificate.
    PrivateKey,
    /// A certificate and its intermediates.
    Certificates,
    /// Certificates of CAs.
    Authorities,
    /// Certificate revocation lists.
    RevocationLists,
    /// The keys that an issuer signs with.
    KeySet,
    /// A text that everybody may see.
    Text,
}

impl Content {
    /// Whether it is not for everybody to read.
    const fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::SigningSecrets | Self::PrivateKey)
    }
}

/// Makes every relative path one below `directory`.
pub(super) fn resolve_paths(settings: &mut GatewaySettings, directory: &Path) {
    for (_, _, path) in paths(settings) {
        *path = directory.join(&*path);
    }
    if let StoreUrl::Sqlite(path) = &mut settings.store.url {
        *path = directory.join(&*path);
    }
    if let Some(socket) = &mut settings.admin.socket.0 {
        *socket = directory.join(&*socket);
    }
    for export in &mut settings.audit.export {
        if let ExportSettings::File(file) = export {
            file.path = directory.join(&file.path);
        }
    }
    if let Some(file) = &mut settings.audit.signing_key_file {
        *file = directory.join(&*file);
    }
    let key_file = &mut settings.store.encryption_key_file.0;
    *key_file = directory.join(&*key_file);
}

/// What the files that the settings name look like now: those that the gateway reads, and the encryption keys, which it may make itself.
pub(super) fn seen(settings: &GatewaySettings) -> Fingerprints {
    let mut settings = settings.clone();
    let keys = settings.store.encryption_key_file.0.clone();
    let read = paths(&mut settings).into_iter().map(|(_, _, path)| path.clone());
    read.chain([keys]).map(|file| (file.clone(), Fingerprint::of(&file))).collect()
}

/// Looks at every file, after the paths are resolved.
pub(super) fn check(settings: &GatewaySettings, tree: &Node, findings: &mut Findings<'_>) {
    check_keys(settings, tree, findings);
    for (place, content, path) in paths(&mut settings.clone()) {
        let of_the_file = |reason| format!("the file {reason}");
        let readable = match content {
            Content::Secret => Secret::read(path).map(drop),
            Content::SigningSecrets => {
                Secret::read_lines(path).and_then(|secrets| Signer::read(&secrets).map(drop).map_err(of_the_file))
            }
            Content::KeySet => IssuerKeys::read(path).map(drop),
            Content::PrivateKey => pem::private_key(path).map(drop).map_err(of_the_file),
            Content::Certificates => pem::certificates(path).map(drop).map_err(of_the_file),
            Content::Authorities => pem::authorities(path).map(drop).map_err(of_the_file),
            Content::RevocationLists => pem::revocation_lists(path).map(drop).map_err(of_the_file),
            Content::Text => {
                std::fs::read_to_string(&*path).map(drop).map_err(|error| format!("the file cannot be read: {error}"))
            }
        };
        match readable {
            Err(reason) => findings.add(tree, &place, reason, format!("it was looked for at {}", path.display())),
            Ok(()) if content.is_secret() => warn_of_readers(&place, path, tree, findings),
            Ok(()) => {}
        }
    }
}

/// Where the settings name this file, below `place`.
pub(super) fn place_of(settings: &GatewaySettings, place: &Place, file: &Path) -> Option<Place> {
    let below = |named: &Place| named.parents().any(|parent| parent == *place);
    let all =
        paths(&mut settings.clone()).into_iter().map(|(named, _, path)| (named, path.clone())).collect::<Vec<_>>();
    all.into_iter().find(|(named, path)| path == file && below(named)).map(|(named, _)| named)
}

/// The files of keys that commands make and the gateway reads: as far as they are there, and whoever asks may read them.
fn check_keys(settings: &GatewaySettings, tree: &Node, findings: &mut Findings<'_>) {
    let mut check = |key: &str, file: &Path, problem: Option<KeyFileError>| match problem {
        Some(KeyFileError::File(error)) if error.kind() == ErrorKind::PermissionDenied => {}
        // It is empty: the directory of the configuration, by its name.
        Some(_) if findings.is_told(&Place::root().below(key)) => {}
        Some(problem) => {
            let hint = format!("the file is {}", file.display());
            findings.add(tree, &Place::root().below(key), problem.to_string(), hint);
        }
        None => warn_of_readers(&Place::root().below(key), file, tree, findings),
    };
    let encryption = settings.store.encryption_key_file.0.as_path();
    if encryption.exists() {
        check("store.encryption_key_file", encryption, Keys::read(encryption).err());
    }
    match settings.audit.signing_key_file.as_deref() {
        Some(file) if file.exists() => check("audit.signing_key_file", file, SigningKeys::read(file).err()),
        // Not wrong for `keys audit`, which reads the configuration, and makes it.
        Some(file) => {
            let hint = "dcr-gateway keys audit makes it; the gateway does not start without it";
            let reason = format!("there is no {}", file.display());
            findings.need(tree, &Place::root().below("audit.signing_key_file"), reason, hint);
        }
        None => {}
    }
}

/// Every file the settings name and the gateway only reads, and where they name it.
fn paths(settings: &mut GatewaySettings) -> Vec<(Place, Content, &mut PathBuf)> {
    let mut all = Vec::new();
    for (index, listener) in settings.listeners.iter_mut().enumerate() {
        let place = Place::root().key("listeners").index(index);
        if let Some(tls) = &mut listener.tls {
            let place = place.key("tls");
            all.push((place.key("certificate"), Content::Certificates, &mut tls.certificate));
            all.push((place.key("private_key"), Content::PrivateKey, &mut tls.private_key));
            let place = place.key("client_certificates");
            all.extend(listed(place.key("trust"), Content::Authorities, &mut tls.client_certificates.trust));
            all.extend(listed(
                place.key("revocation_lists"),
                Content::RevocationLists,
                &mut tls.client_certificates.revocation_lists,
            ));
        }
        if let Some(trust) = &mut listener.client_certificate_trust {
            let place = place.key("client_certificate_trust");
            all.extend(listed(place.key("trust"), Content::Authorities, &mut trust.trust));
            all.extend(listed(place.key("revocation_lists"), Content::RevocationLists, &mut trust.revocation_lists));
        }
    }
    if let Some(tls) = &mut settings.admin.tls {
        let place = Place::root().below("admin.tls");
        all.push((place.key("certificate"), Content::Certificates, &mut tls.certificate));
        all.push((place.key("private_key"), Content::PrivateKey, &mut tls.private_key));
    }
    if let Some(file) = settings.admin.sign_in.openid.as_mut().and_then(|openid| openid.client_secret_file.as_mut()) {
        all.push((Place::root().below("admin.sign_in.openid.client_secret_file"), Content::Secret, file));
    }
    if let Some(password) = &mut settings.store.password_file {
        all.push((Place::root().below("store.password_file"), Content::Secret, password));
    }
    let place = Place::root().key("throttle");
    if let Some(password) = &mut settings.throttle.password_file {
        all.push((place.key("password_file"), Content::Secret, password));
    }
    if let Some(trust) = &mut settings.throttle.trust {
        all.push((place.key("trust"), Content::Authorities, trust));
    }
    for (index, issuer) in settings.software_statements.issuers.iter_mut().enumerate() {
        let place = Place::root().key("software_statements").key("issuers").index(index);
        if let Some(file) = &mut issuer.jwks_file {
            all.push((place.key("jwks_file"), Content::KeySet, file));
        }
        if let Some(file) = &mut issuer.revoked {
            all.push((place.key("revoked"), Content::Text, file));
        }
    }
    let place = Place::root().key("authorization_server");
    if let Some(trust) = &mut settings.authorization_server.trust {
        all.push((place.key("trust"), Content::Authorities, trust));
    }
    if let Some(AdministrationSettings::ClientCredentials(client)) = &mut settings.authorization_server.administration {
        let place = place.below("administration.client_credentials.client_secret_file");
        all.push((place, Content::Secret, &mut client.client_secret_file));
    }
    let place = place.key("credential");
    match &mut settings.authorization_server.credential {
        CredentialSettings::None | CredentialSettings::Forward => {}
        CredentialSettings::BearerTokenFile(file) => {
            all.push((place.key("bearer_token_file"), Content::Secret, file));
        }
        CredentialSettings::ClientCredentials(client) => {
            let place = place.key("client_credentials").key("client_secret_file");
            all.push((place, Content::Secret, &mut client.client_secret_file));
        }
    }
    all.extend(listed(Place::root().below("fetch.trust"), Content::Authorities, &mut settings.fetch.trust));
    for (index, receiver) in settings.alerts.iter_mut().enumerate() {
        let place = Place::root().key("alerts").index(index);
        let password = receiver.smtp.as_mut().and_then(|smtp| smtp.password_file.as_mut());
        for (key, content, file) in [
            ("secret_file", Content::SigningSecrets, receiver.secret_file.as_mut()),
            ("bearer_token_file", Content::Secret, receiver.bearer_token_file.as_mut()),
            ("smtp.password_file", Content::Secret, password),
        ] {
            all.extend(file.map(|file| (place.below(key), content, file)));
        }
    }
    let place = Place::root().key("initial_access_tokens");
    for (index, issuer) in settings.initial_access_tokens.jwt.iter_mut().enumerate() {
        if let Some(file) = &mut issuer.jwks_file {
            all.push((place.key("jwt").index(index).key("jwks_file"), Content::KeySet, file));
        }
    }
    if let Some(introspection) = &mut settings.initial_access_tokens.introspection {
        let place = place.key("introspection").key("client_secret_file");
        all.push((place, Content::Secret, &mut introspection.client_secret_file));
    }
    all
}

fn listed(
    place: Place,
    content: Content,
    files: &mut [PathBuf],
) -> impl Iterator<Item = (Place, Content, &mut PathBuf)> {
    files.iter_mut().enumerate().map(move |(index, file)| (place.index(index), content, file))
}

/// A warning where everybody may read the secret in `file`.
fn warn_of_readers(place: &Place, file: &Path, tree: &Node, findings: &mut Findings<'_>) {
    if std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0) {
        let hint = format!("chmod o= {}", file.display());
        findings.warn(tree, place, "everybody on this machine may read the file", hint);
    }
}
