//! Texts that say nothing where a path or a name should stand: most often a variable that holds nothing.

use crate::config::Findings;
use crate::config::node::Node;
use crate::config::place::Place;

/// Where an empty text would be taken for the directory of the configuration, or for a name. What is not here says so itself.
const KEYS: [&str; 7] = [
    "store.encryption_key_file",
    "audit.signing_key_file",
    "audit.export.file.path",
    "admin.socket",
    "admin.sign_in.openid.client_id",
    "admin.sign_in.openid.name_claim",
    "client_credentials.client_id",
];

pub(super) fn check(tree: &Node, findings: &mut Findings<'_>) {
    let mut empty = Vec::new();
    find(tree, &Place::root(), &mut empty);
    for place in empty {
        let keys = place.keys();
        if KEYS.iter().any(|key| keys.ends_with(key)) {
            findings.add(
                tree,
                &place,
                "is empty",
                "leave it out, or write what it is; does its variable hold something?",
            );
        }
    }
}

fn find(node: &Node, place: &Place, empty: &mut Vec<Place>) {
    match node {
        Node::Text(text) if text.value.is_empty() => empty.push(place.clone()),
        Node::Map(members) => members.iter().for_each(|(key, member)| find(member, &place.key(key.as_str()), empty)),
        Node::List(entries) => {
            entries.iter().enumerate().for_each(|(index, entry)| find(entry, &place.index(index), empty));
        }
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => {}
    }
}
