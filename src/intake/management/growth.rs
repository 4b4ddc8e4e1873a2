//! What a change asks for that the client does not have: the difference that is recorded, and that may be refused. Pure.

use std::fmt;

use serde_json::{Map, Value};

use crate::anomaly::observation::ChangeSeen;
use crate::policy::Judged;
use crate::registration::software_statement::MEMBER;
use crate::registration::{RedirectUri, ScopeSet};
use crate::store::ClientRecord;

/// The members that widen what somebody could do who has taken the client over.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    redirect_uris: Vec<String>,
    scopes: Vec<String>,
    keys: Vec<&'static str>,
}

/// The members that hold or name keys.
const KEYS: [&str; 2] = ["jwks", "jwks_uri"];

/// What `asked` has and `client` has not.
pub fn of(client: &ClientRecord, asked: &dyn Judged) -> Difference {
    let uris = asked.redirect_uris().iter().map(|uri| uri.as_str());
    let granted = ScopeSet::parse(&client.scope_granted).unwrap_or_default();
    let scopes = asked.scopes().granted.iter().filter(|scope| !granted.iter().any(|known| known == *scope));
    let differs = |member: &&'static str| {
        let value = asked.metadata().get(*member);
        value.is_some_and(|value| !value.is_null())
            && value != client.metadata.get::<str>(member).filter(|it| **it != Value::Null)
    };
    Difference {
        redirect_uris: uris
            .filter(|uri| !client.redirect_uris.iter().any(|known| known == uri))
            .map(str::to_owned)
            .collect(),
        scopes: scopes.map(|scope| scope.as_str().to_owned()).collect(),
        keys: KEYS.into_iter().filter(differs).collect(),
    }
}

/// The members that wait for an approval, with all the scopes that were asked for: an approval grants what is withheld as well.
pub fn asked(judged: &dyn Judged) -> Map<String, Value> {
    let mut members = judged.metadata().clone();
    // The one that the client has stays: what it says was put over the request.
    members.remove(MEMBER);
    if let Some(requested) = &judged.scopes().requested {
        members.insert("scope".to_owned(), requested.to_string().into());
    }
    members
}

impl Difference {
    /// What the detectors of anomalies are told once it is done.
    pub fn seen(&self, client: &ClientRecord) -> ChangeSeen {
        let hosts = |uris: &[String]| {
            let parsed = uris.iter().filter_map(|uri| RedirectUri::parse(uri).ok());
            parsed.map(|uri| uri.host_or_scheme()).collect()
        };
        ChangeSeen {
            client: client.client_id.clone(),
            hosts_before: hosts(&client.redirect_uris),
            new_redirect_hosts: hosts(&self.redirect_uris),
            new_redirect_uris: u32::try_from(self.redirect_uris.len()).unwrap_or(u32::MAX),
            new_scopes: self.scopes.clone(),
            other_keys: !self.keys.is_empty(),
            registered_from: Some(client.registrant.address),
        }
    }

    /// Nothing is asked for that was not there.
    pub fn is_empty(&self) -> bool {
        self.redirect_uris.is_empty() && self.scopes.is_empty() && self.keys.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (what, values) in [("redirect_uris", &self.redirect_uris), ("scope", &self.scopes)] {
            if !values.is_empty() {
                parts.push(format!("{what} + {}", values.join(" ")));
            }
        }
        if !self.keys.is_empty() {
            parts.push(format!("other {}", self.keys.join(" ")));
        }
        f.write_str(&parts.join("; "))
    }
}
