//! Receivers of alerts and silences: each alone, and that no two receivers go by one name.

use std::collections::HashMap;

use super::Whole;
use crate::config::place::Place;

impl Whole<'_, '_> {
    pub(super) fn check_alerts(&mut self) {
        let mut names = HashMap::new();
        for (index, receiver) in self.settings.alerts.iter().enumerate() {
            let place = Place::root().key("alerts").index(index);
            self.add_all(&place, receiver.problems());
            let name = receiver.called();
            let first = names.entry(name.clone()).or_insert(index);
            if *first != index && !name.is_empty() {
                let reason = format!("goes by {name:?}, as alerts[{first}] does");
                self.add(&place, reason, "give each a name of its own: what waits for a receiver is kept under it");
            }
        }
        for (index, silence) in self.settings.silences.iter().enumerate() {
            let place = Place::root().key("silences").index(index);
            self.add_all(&place, silence.problems());
            let is_it = |name: &str| self.parts.profiles.iter().any(|part| part.settings.name == name);
            if let Some(name) = silence.profile.as_ref().filter(|name| !is_it(name)) {
                self.warn(&place.key("profile"), format!("there is no profile {name:?}"), "name one of the profiles");
            }
        }
    }
}
