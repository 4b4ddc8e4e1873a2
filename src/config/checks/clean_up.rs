//! What the removal of clients that nobody uses takes: that their uses are seen.

use super::Whole;
use crate::authorization_server::settings::OtherPaths;

impl Whole<'_, '_> {
    pub(super) fn check_clean_up(&mut self) {
        let server = &self.settings.authorization_server;
        if server.shows_uses() {
            return;
        }
        let hint = match server.other_paths {
            OtherPaths::Refuse => "forward other_paths to the server, or leave this out",
            OtherPaths::Forward => {
                "write the path of the token endpoint in authorization_server.client_endpoints.token"
            }
        };
        for part in &self.parts.profiles {
            if part.settings.expire_unused_after.is_some() {
                let reason = "whether a client was used cannot be known: the gateway does not see the token endpoint";
                self.add(&part.place.key("expire_unused_after"), reason, hint);
            }
        }
    }
}
