//! What TLS makes of the files that were read: whether a key is that of its certificate, a list that of its CA, and when they end.

use std::path::Path;

use super::node::Node;
use super::place::Place;
use super::settings::GatewaySettings;
use super::{Findings, Problem, files};
use crate::clock::Timestamp;
use crate::pem;
use crate::proxy::{FileEnd, examine};

/// A file in use, when the first thing in it ends, and the warning that it does, once that is near.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    end: FileEnd,
    warning: Problem,
}

/// Makes what listeners and the admin listener need of their files. What is wrong with a file alone is told already.
pub(super) fn check(settings: &GatewaySettings, tree: &Node, findings: &mut Findings<'_>) -> Vec<Ending> {
    let mut ends: Vec<(Place, FileEnd)> = Vec::new();
    for (index, listener) in settings.listeners.iter().enumerate() {
        let listener_place = Place::root().key("listeners").index(index);
        let of_file = |file: &Path| files::place_of(settings, &listener_place, file);
        match examine(listener) {
            Ok(found) => ends.extend(found.into_iter().filter_map(|end| Some((of_file(&end.file)?, end)))),
            Err(errors) => {
                for error in errors {
                    add(findings, tree, of_file(&error.file), error.reason);
                }
            }
        }
    }
    if let Some(tls) = &settings.admin.tls {
        let admin = Place::root().below("admin.tls");
        match pem::certified_key(&tls.certificate, &tls.private_key) {
            Ok(key) => {
                let end = FileEnd::of_server(&tls.certificate, &key.cert);
                ends.extend(end.map(|end| (admin.key("certificate"), end)));
            }
            Err(unusable) => {
                for (file, reason) in unusable {
                    add(findings, tree, files::place_of(settings, &admin, &file), reason);
                }
            }
        }
    }
    let ending = |(place, end): (Place, FileEnd)| {
        let at = Timestamp::from_unix_millis(end.ends.saturating_mul(1000));
        let reason = format!("ends at {at}: then clients are turned away");
        Ending { end, warning: findings.warning(tree, &place, reason, "replace the file") }
    };
    ends.into_iter().map(ending).collect()
}

/// Those that end soon, or have ended.
pub(super) fn warnings(endings: &[Ending], now: Timestamp) -> impl Iterator<Item = Problem> {
    endings.iter().filter(move |ending| ending.end.is_ending(now)).map(|ending| ending.warning.clone())
}

fn add(findings: &mut Findings<'_>, tree: &Node, place: Option<Place>, reason: String) {
    if let Some(place) = place.filter(|place| !findings.is_wrong(place)) {
        findings.add(tree, &place, format!("the file {reason}"), "serve could not start with it");
    }
}
