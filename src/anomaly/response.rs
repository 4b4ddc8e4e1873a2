//! Which responses a finding calls for, by the operator's rules: what is done, to whom, for how long. Pure: it imposes nothing. A
//! finding that does not say whom it is about calls for none, and nothing is ever done to a known network.

mod settings;

use std::net::IpAddr;

use ipnet::IpNet;

use super::finding::{Finding, Subject};
use super::network::{around, known_within};
use crate::duration::DurationText;
use crate::policy::matching::Network;
use crate::store::ResponseAction;

pub use settings::ResponseSettings;

use settings::{one_subscriber, whole_ipv4};

/// What an operator's ban of an address without a prefix is of.
pub fn network_of(address: IpAddr) -> IpNet {
    around(address, whole_ipv4(), one_subscriber())
}

/// What is to be done about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// What.
    pub action: ResponseAction,
    /// To whom, as [`crate::store::ResponseRecord::subject`] has it.
    pub subject: String,
    /// How long.
    pub lasts: DurationText,
    /// What a rate is divided by; 1 where none is.
    pub factor: u32,
    /// It is only told.
    pub dry_run: bool,
    /// What is done instead where others share the client that would be suspended: to who registered it.
    pub instead: Option<(ResponseAction, String)>,
}

/// The operator's rules.
#[derive(Debug, Clone, Default)]
pub struct Responder {
    rules: Vec<ResponseSettings>,
    known_networks: Vec<Network>,
}

impl Responder {
    /// By these rules; nothing is done to these networks.
    pub fn new(rules: &[ResponseSettings], known_networks: &[Network]) -> Self {
        Self { rules: rules.to_vec(), known_networks: known_networks.to_vec() }
    }

    /// Whether the address is in a known network.
    pub fn knows(&self, address: IpAddr) -> bool {
        self.known_networks.iter().any(|known| known.contains(address))
    }

    /// The known network that the network touches.
    pub fn known_within(&self, network: &IpNet) -> Option<Network> {
        known_within(&self.known_networks, network)
    }

    /// What the finding calls for; of another client that leads to what was found already, its suspension alone.
    pub fn called_for(&self, finding: &Finding) -> Vec<Called> {
        let is_for = |rule: &&ResponseSettings| {
            let is_news = !finding.is_of_another_client || rule.action == ResponseAction::SuspendClient;
            is_news && rule.to.contains(&finding.detector) && finding.score.value() >= rule.minimum_score
        };
        self.rules.iter().filter(is_for).filter_map(|rule| self.called_by(rule, finding)).collect()
    }

    fn called_by(&self, rule: &ResponseSettings, finding: &Finding) -> Option<Called> {
        use ResponseAction as Action;
        let about = About { finding, rule, responder: self };
        let subject = match rule.action {
            Action::BanAddress => about.address()?,
            Action::BanCertificate => about.certificate()?,
            Action::BanToken => about.token()?,
            Action::TightenThrottle | Action::RequireApproval => about.profile()?,
            Action::SuspendClient => about.client()?,
            Action::Lockdown => String::new(),
        };
        let factor = if rule.action == Action::TightenThrottle { rule.factor.get() } else { 1 };
        let instead = if rule.action == Action::SuspendClient { about.registrant() } else { None };
        Some(Called { action: rule.action, subject, lasts: rule.r#for, factor, dry_run: rule.dry_run, instead })
    }
}

/// Whom a finding is about, in the terms of a rule.
struct About<'a> {
    finding: &'a Finding,
    rule: &'a ResponseSettings,
    responder: &'a Responder,
}

impl About<'_> {
    /// The address that was the last straw, where the finding is about its network or about itself.
    fn address(&self) -> Option<String> {
        let address = self.finding.involved.address?;
        let is_it = match &self.finding.subject {
            Subject::Network(network) => network.contains(&address.to_canonical()),
            Subject::Registrant(counted_under) => counted_under.starts_with("address:"),
            _ => false,
        };
        if is_it { self.network_of(address) } else { None }
    }

    fn network_of(&self, address: IpAddr) -> Option<String> {
        let network = around(address, self.rule.ipv4_prefix, self.rule.ipv6_prefix);
        self.responder.known_within(&network).is_none().then(|| network.to_string())
    }

    fn certificate(&self) -> Option<String> {
        match &self.finding.subject {
            Subject::Certificate(thumbprint) => Some(thumbprint.clone()),
            Subject::Registrant(under) if under.starts_with("certificate:") => {
                self.finding.involved.certificate.clone()
            }
            _ => None,
        }
    }

    fn token(&self) -> Option<String> {
        match &self.finding.subject {
            Subject::Token(name) => Some(name.clone()),
            Subject::Registrant(under) if under.starts_with("token:") => self.finding.involved.token.clone(),
            _ => None,
        }
    }

    fn profile(&self) -> Option<String> {
        match &self.finding.subject {
            Subject::Profile(name) => Some(name.clone()),
            _ => self.finding.involved.profile.clone(),
        }
    }

    /// The client itself, or the one that was the last straw for a host or an issuer; of a whole profile that one says nothing.
    fn client(&self) -> Option<String> {
        match &self.finding.subject {
            Subject::Client(client_id) => Some(client_id.clone()),
            Subject::RedirectHost(_) | Subject::StatementIssuer(_) => self.finding.involved.client.clone(),
            _ => None,
        }
    }

    /// Who registered just now, by the strongest that was verified.
    fn registrant(&self) -> Option<(ResponseAction, String)> {
        let involved = &self.finding.involved;
        involved.client.as_ref()?;
        if let Some(certificate) = &involved.certificate {
            return Some((ResponseAction::BanCertificate, certificate.clone()));
        }
        if let Some(token) = &involved.token {
            return Some((ResponseAction::BanToken, token.clone()));
        }
        Some((ResponseAction::BanAddress, self.network_of(involved.address?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anomaly::finding::{DetectorName, Score};
    use crate::anomaly::observation::Involved;
    use crate::anomaly::settings::{Mode, days, hours};
    use crate::clock::Timestamp;

    fn responder(rules: &str, known: &[&str]) -> Responder {
        let known: Vec<Network> = known.iter().map(|text| text.parse().unwrap()).collect();
        Responder::new(&serde_yaml::from_str::<Vec<ResponseSettings>>(rules).unwrap(), &known)
    }

    fn finding(detector: DetectorName, subject: Subject, score: f64) -> Finding {
        Finding {
            at: Timestamp::from_unix_millis(7),
            detector,
            mode: Mode::Report,
            subject,
            score: Score::of(score),
            evidence: Vec::new(),
            sentence: String::new(),
            request_id: None,
            involved: Involved {
                address: Some("192.0.2.77".parse().unwrap()),
                certificate: None,
                token: Some("ci".to_owned()),
                profile: Some("mcp".to_owned()),
                client: Some("c1".to_owned()),
            },
            is_of_another_client: false,
        }
    }

    fn guesses(address: &str, score: f64) -> Finding {
        let address: IpAddr = address.parse().unwrap();
        let network = Subject::Network(IpNet::new(address, if address.is_ipv4() { 24 } else { 48 }).unwrap().trunc());
        let found = finding(DetectorName::TokenGuessing, network, score);
        Finding { involved: Involved { address: Some(address), ..found.involved.clone() }, ..found }
    }

    fn subjects(responder: &Responder, finding: &Finding) -> Vec<String> {
        responder.called_for(finding).into_iter().map(|called| called.subject).collect()
    }

    #[test]
    fn a_ban_is_of_one_address_or_one_subscriber_unless_a_rule_says_otherwise() {
        let narrow = responder("[{ to: [token_guessing], action: ban_address }]", &[]);
        assert_eq!(subjects(&narrow, &guesses("192.0.2.77", 0.6)), ["192.0.2.77/32"]);
        assert_eq!(subjects(&narrow, &guesses("2001:db8:1:2::3", 0.6)), ["2001:db8:1:2::/64"]);
        let rule = "[{ to: [token_guessing], action: ban_address, ipv4_prefix: 24, ipv6_prefix: 48 }]";
        let wide = responder(rule, &[]);
        assert_eq!(subjects(&wide, &guesses("192.0.2.77", 0.6)), ["192.0.2.0/24"]);
        assert_eq!(subjects(&wide, &guesses("2001:db8:1:2::3", 0.6)), ["2001:db8:1::/48"]);
    }

    #[test]
    fn a_rule_is_a_dry_run_for_an_hour_unless_it_says_otherwise() {
        let by_default = responder("[{ to: [token_guessing], action: ban_address }]", &[]);
        let called = &by_default.called_for(&guesses("192.0.2.77", 0.6))[0];
        assert!(called.dry_run && called.lasts == hours(1));
        let written = responder("[{ to: [token_guessing], action: ban_address, dry_run: false, for: 2d }]", &[]);
        let called = &written.called_for(&guesses("192.0.2.77", 0.6))[0];
        assert!(!called.dry_run && called.lasts == days(2));
    }

    #[test]
    fn nothing_is_done_to_a_network_that_touches_a_known_one() {
        for known in ["192.0.2.0/24", "192.0.2.77", "192.0.0.0/16", "192.0.2.200/31"] {
            let rule = "[{ to: [token_guessing], action: ban_address, ipv4_prefix: 24 }]";
            assert_eq!(subjects(&responder(rule, &[known]), &guesses("192.0.2.77", 0.9)), [""; 0], "{known}");
        }
        let beside = responder("[{ to: [token_guessing], action: ban_address }]", &["192.0.2.200/31"]);
        assert_eq!(subjects(&beside, &guesses("192.0.2.77", 0.9)), ["192.0.2.77/32"]);
        assert!(beside.knows("::ffff:192.0.2.201".parse().unwrap()) && !beside.knows("192.0.2.77".parse().unwrap()));
    }

    #[test]
    fn of_another_client_that_leads_to_the_same_host_nothing_is_called_for_but_its_suspension() {
        let all = ResponseAction::ALL.map(|action| format!("{{ to: [lookalike_names], action: {} }}", action.as_str()));
        let responder = responder(&format!("[{}]", all.join(", ")), &[]);
        let found = finding(DetectorName::LookalikeNames, Subject::RedirectHost("evil.example".to_owned()), 0.6);
        let found = Finding { is_of_another_client: true, ..found };
        let called: Vec<_> = responder.called_for(&found).into_iter().map(|called| called.action).collect();
        assert_eq!(called, [ResponseAction::SuspendClient]);
    }

    #[test]
    fn a_finding_below_the_score_or_of_another_detector_calls_for_nothing() {
        let rule = responder("[{ to: [token_guessing], action: ban_address, minimum_score: 0.75 }]", &[]);
        assert_eq!(subjects(&rule, &guesses("192.0.2.77", 0.74)), [""; 0]);
        assert_eq!(subjects(&rule, &guesses("192.0.2.77", 0.75)), ["192.0.2.77/32"]);
        let other = Finding { detector: DetectorName::Probing, ..guesses("192.0.2.77", 0.9) };
        assert_eq!(subjects(&rule, &other), [""; 0]);
    }

    #[test]
    fn who_is_not_what_the_finding_is_about_is_left_alone() {
        let all = ResponseAction::ALL.map(|action| {
            let action = action.as_str();
            format!("{{ to: [registration_bursts, token_guessing, credential_spread, probing, widening], action: {action} }}")
        });
        let responder = responder(&format!("[{}]", all.join(", ")), &[]);
        let actions = |subject: Subject, detector| -> Vec<String> {
            let called = responder.called_for(&finding(detector, subject, 0.9));
            called.iter().map(|called| format!("{} {}", called.action.as_str(), called.subject)).collect()
        };
        assert_eq!(
            actions(Subject::Profile("partners".to_owned()), DetectorName::RegistrationBursts),
            ["tighten_throttle partners", "require_approval partners", "lockdown "]
        );
        assert_eq!(
            actions(Subject::Token("ci".to_owned()), DetectorName::CredentialSpread),
            ["ban_token ci", "tighten_throttle mcp", "require_approval mcp", "lockdown "]
        );
        assert_eq!(
            actions(Subject::Registrant("token:3f".to_owned()), DetectorName::Probing),
            ["ban_token ci", "tighten_throttle mcp", "require_approval mcp", "lockdown "]
        );
        assert_eq!(
            actions(Subject::Client("c7".to_owned()), DetectorName::Widening),
            ["tighten_throttle mcp", "require_approval mcp", "suspend_client c7", "lockdown "]
        );
    }

    #[test]
    fn instead_of_a_client_that_others_share_its_registrant_is_banned() {
        let responder = responder("[{ to: [lookalike_names], action: suspend_client }]", &["198.51.100.0/24"]);
        let host = Subject::RedirectHost("evil.example".to_owned());
        let found = finding(DetectorName::LookalikeNames, host, 0.9);
        let instead = |involved: Involved| {
            let called = responder.called_for(&Finding { involved, ..found.clone() });
            called[0].instead.clone().map(|(action, subject)| format!("{} {subject}", action.as_str()))
        };
        let involved = found.involved.clone();
        assert_eq!(instead(involved.clone()).as_deref(), Some("ban_token ci"));
        let bare = Involved { token: None, ..involved };
        assert_eq!(instead(bare.clone()).as_deref(), Some("ban_address 192.0.2.77/32"));
        let known = Involved { address: Some("198.51.100.9".parse().unwrap()), ..bare };
        assert_eq!(instead(known), None);
    }
}
