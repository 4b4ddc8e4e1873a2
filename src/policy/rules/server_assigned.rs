//! Members that only a server assigns (`client_id`, `client_secret`, `registration_access_token`, …) are not the client's to ask for:
//! a server that took them would hand out names and secrets of the caller's choosing.

use crate::policy::report::Report;
use crate::registration::ClientMetadata;

pub(in crate::policy) fn check(requested: &ClientMetadata, report: &mut Report<'_>) {
    for member in &requested.server_assigned {
        report.refuse(member, "is assigned by the server and cannot be asked for (RFC 7591 §3.2.1)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::report::tests::sentences;
    use crate::policy::rule::RuleName;

    #[test]
    fn refuses_a_client_id_of_the_callers_choosing() {
        let requested = ClientMetadata { server_assigned: vec!["client_id".to_owned()], ..Default::default() };
        let found = sentences(RuleName::ServerAssigned, |report| check(&requested, report));
        assert_eq!(found, ["client_id: is assigned by the server and cannot be asked for (RFC 7591 §3.2.1)"]);
    }
}
