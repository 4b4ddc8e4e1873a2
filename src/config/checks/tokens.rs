//! How initial access tokens fit to the rest: to the gateway's own credential, to the profiles, to what is fetched for them.

use super::{ProfilePart, Whole};
use crate::authorization_server::settings::CredentialSettings;
use crate::config::place::Place;
use crate::policy::Profile;
use crate::policy::settings::Requirement;

impl Whole<'_, '_> {
    pub(super) fn check_tokens(&mut self) {
        self.check_token_issuers();
        self.check_profiles_of_tokens();
        if matches!(self.settings.authorization_server.credential, CredentialSettings::Forward) {
            self.check_that_no_tokens_are_used();
        }
    }

    fn check_token_issuers(&mut self) {
        self.add_all(&Place::root().key("initial_access_tokens"), self.settings.initial_access_tokens.problems());
    }

    fn check_profiles_of_tokens(&mut self) {
        let place = Place::root().key("initial_access_tokens");
        let takes_tokens = |part: &ProfilePart| {
            part.profile.as_ref().is_none_or(|profile| profile.initial_access_token() != Requirement::Off)
        };
        for (below, name) in self.settings.initial_access_tokens.profiles() {
            let place = place.below(&below);
            match self.parts.profiles.iter().find(|part| part.settings.name == name) {
                Some(part) if takes_tokens(part) => {}
                Some(_) => {
                    let hint = "write initial_access_token: optional or required in it";
                    self.add(&place, format!("the profile {name:?} takes no tokens"), hint);
                }
                None => self.add(&place, format!("there is no profile {name:?}"), "name one of the profiles"),
            }
        }
    }

    fn check_that_no_tokens_are_used(&mut self) {
        let reason = "the Authorization header goes to the server (credential: forward), so it cannot hold a token of the gateway";
        let uses_tokens = |profile: &Profile| profile.initial_access_token() != Requirement::Off;
        for part in &self.parts.profiles {
            if part.profile.as_ref().is_some_and(uses_tokens) {
                let hint = "write initial_access_token: off, or give the gateway a credential of its own";
                self.add(&part.place.key("initial_access_token"), reason, hint);
            }
        }
        let tokens = &self.settings.initial_access_tokens;
        let place = Place::root().key("initial_access_tokens");
        let hint = "take it out, or give the gateway a credential of its own";
        if !tokens.jwt.is_empty() {
            self.add(&place.key("jwt"), reason, hint);
        }
        if tokens.introspection.is_some() {
            self.add(&place.key("introspection"), reason, hint);
        }
    }
}
