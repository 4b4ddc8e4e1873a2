//! `client_name` in every language (RFC 7591 §2.2): readable, and nobody else's. Nor are the pages of a protected name's owner, whose logo
//! says as much.

mod owner;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::owner::ProtectedName;
pub(in crate::policy) use self::owner::Ways;

use self::owner::{Owned, problem_of_ways};
use crate::policy::lookalike::{Lookalike, Readings, disguised_word, is_undisguised, spells};
use crate::policy::report::Report;
use crate::policy::settings::SettingProblem;
use crate::policy::{markup, printable};
use crate::registration::excerpt::Excerpt;
use crate::registration::metadata::{RequestedUrl, Text};

/// What a client may be called.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientNameSettings {
    /// Whether a client must name itself. Default: false.
    #[serde(default)]
    pub required: Option<bool>,
    /// The most characters of a name, 1 to 255. Default: 128.
    #[serde(default)]
    pub max_length: Option<u16>,
    /// Names that belong to somebody. A client may carry one only when all its redirect URIs are its owner's.
    #[serde(default)]
    pub protected: Option<Vec<ProtectedName>>,
}

/// Members that a consent page shows as the client's own: its picture, and where it is at home.
const SHOWN: [&str; 2] = ["client_uri", "logo_uri"];

/// The most languages a name is given in: each is compared with every protected name. Further ones are left out.
const MOST_LANGUAGES: usize = 64;

/// The most bytes of an organization's name that is compared.
const LONGEST_ORGANIZATION: usize = 4096;

/// The compiled rule.
#[derive(Debug, Clone)]
pub(in crate::policy) struct ClientNameRule {
    required: bool,
    max_length: usize,
    protected: Vec<Owned>,
    /// How each protected name is read.
    lookalikes: Vec<Lookalike>,
}

impl ClientNameRule {
    pub(in crate::policy) fn compile(
        settings: Option<&ClientNameSettings>,
        problems: &mut Vec<SettingProblem>,
    ) -> Self {
        let settings = settings.cloned().unwrap_or_default();
        let max_length = settings.max_length.unwrap_or(128);
        if !(1..=255).contains(&max_length) {
            let hint = "write 1 to 255: Keycloak fails on a longer name";
            problems.push(SettingProblem::new("client_name.max_length", format!("{max_length} is out of range"), hint));
        }
        let protected = settings.protected.unwrap_or_default();
        let lookalikes: Vec<Lookalike> = protected.iter().map(|protected| Lookalike::of(&protected.name)).collect();
        let both = protected.iter().zip(&lookalikes).enumerate();
        let protected = both.map(|(index, (name, read))| Owned::compile(index, name, read, problems)).collect();
        Self { required: settings.required.unwrap_or(false), max_length: max_length.into(), protected, lookalikes }
    }

    /// The names that are sent, each with its place (`client_name`, `client_name#de`), spaces at its ends taken off.
    pub(in crate::policy) fn check<'a>(
        &self,
        names: &'a [Text],
        ways: Ways<'_>,
        report: &mut Report<'_>,
    ) -> Vec<(&'a str, &'a str)> {
        if self.required && names.is_empty() {
            report.refuse("client_name", format!("must be there, says profile {:?}", report.profile()));
        }
        if names.len() > MOST_LANGUAGES {
            let note =
                format!("is given in {} languages, those after the first {MOST_LANGUAGES} are left out", names.len());
            report.note("client_name", note);
        }
        let mut kept = Vec::with_capacity(names.len().min(MOST_LANGUAGES));
        for Text { place, text } in names.iter().take(MOST_LANGUAGES) {
            let name = text.trim();
            if name.len() != text.len() {
                report.note(place, "spaces at its ends are taken off");
            }
            if name.is_empty() {
                report.refuse(place, "is blank");
            } else if name.chars().count() > self.max_length {
                let problem = format!("{} is longer than {} characters", Excerpt(name), self.max_length);
                report.refuse(place, problem);
            } else if let Some(problem) = printable::problem(name) {
                report.refuse(place, format!("{} {problem}", Excerpt(name)));
            } else if markup::holds_a_placeholder(name) {
                report.refuse(place, format!("{} {}", Excerpt(name), markup::PLACEHOLDER));
            } else {
                if let Some(problem) = self.problem_of_owner(name, ways) {
                    report.refuse(place, format!("{problem} (profile {:?})", report.profile()));
                } else if let Some(word) = disguised_word(name) {
                    let problem = "letters of another script stand among Latin ones that look the same";
                    report.refuse(place, format!("{}: {problem}", Excerpt(word)));
                }
                kept.push((place.as_str(), name));
            }
        }
        kept
    }

    /// What the client shows as its own picture and home, and is on a host of a protected name's owner.
    pub(in crate::policy) fn check_pages(&self, urls: &[RequestedUrl], ways: Ways<'_>, report: &mut Report<'_>) {
        for url in urls.iter().filter(|url| SHOWN.contains(&url.member) && ways.are_shown()) {
            let Ok(page) = &url.parsed else { continue };
            let owners: Vec<&Owned> = self.protected.iter().filter(|owned| owned.is_at(page.host())).collect();
            if let Some(owner) = owners.first()
                && let Some(problem) = problem_of_ways(&owners, ways)
            {
                let (text, name) = (Excerpt(&url.text), Excerpt(owner.name()));
                let problem = format!("{text} is on a host of the protected name {name}, {problem}");
                report.refuse(&url.place, format!("{problem} (profile {:?})", report.profile()));
            }
        }
    }

    /// Whose the client says it is, by `organization_name` (OpenID Federation §5.2.2).
    pub(in crate::policy) fn check_organization(&self, name: Option<&str>, ways: Ways<'_>, report: &mut Report<'_>) {
        // It stands beside the client's name. One that is longer than is compared is refused whatever it says.
        if let Some(name) = name.filter(|name| markup::holds_a_placeholder(name)) {
            report.refuse("organization_name", format!("{} {}", Excerpt(name), markup::PLACEHOLDER));
        }
        let name = name.filter(|name| name.len() <= LONGEST_ORGANIZATION && ways.are_shown());
        let problem = name.and_then(|name| self.problem_of_owner(name, ways));
        if let Some(problem) = problem {
            report.refuse("organization_name", format!("{problem} (profile {:?})", report.profile()));
        }
    }

    /// Why a name that reads as a protected one is not the client's to carry.
    fn problem_of_owner(&self, name: &str, ways: Ways<'_>) -> Option<String> {
        if self.protected.is_empty() {
            return None;
        }
        let readings = Readings::of(name);
        let read = self.protected.iter().zip(&self.lookalikes);
        let read = read.filter(|(_, lookalike)| lookalike.is_in(&readings, &self.lookalikes));
        let read: Vec<(&Owned, &Lookalike)> = read.collect();
        let owners: Vec<&Owned> = read.iter().map(|(owned, _)| *owned).collect();
        let owner = owners.first()?;
        let is_plain = || read.iter().any(|(_, lookalike)| lookalike.is_plainly_in(&readings, &self.lookalikes));
        let is_spelled = || is_undisguised(name) || owners.iter().any(|owned| spells(name, owned.name()));
        // An owner may write its own name as it likes; on loopback nobody can tell whose a client is.
        let problem = match problem_of_ways(&owners, ways) {
            Some(problem) => problem,
            None if ways.are_anybodys() && is_plain() && !is_spelled() => "and no owner spells it so".to_owned(),
            None => return None,
        };
        Some(format!("{} reads as the protected name {}, {problem}", Excerpt(name), Excerpt(owner.name())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::report::tests::sentences;
    use crate::policy::rule::RuleName;
    use crate::registration::grant::GrantType;
    use crate::registration::redirect_uri::RedirectUri;
    use crate::registration::web_url::WebUrl;

    const SETTINGS: &str = "{protected: [{name: Claude, hosts: [claude.ai, '*.claude.ai'], loopback: true, schemes: [claude]}, {name: Acme Pay, hosts: [pay.acme.example]}]}";

    fn check_with(grants: &[GrantType], settings: &str, names: &[&str], uris: &[&str]) -> Vec<String> {
        let rule = ClientNameRule::compile(Some(&serde_yaml::from_str(settings).unwrap()), &mut Vec::new());
        let text = |(n, name): (usize, &&str)| Text {
            place: ["client_name", "client_name#de"][n.min(1)].to_owned(),
            text: (*name).to_owned(),
        };
        let names: Vec<Text> = names.iter().enumerate().map(text).collect();
        let uris: Vec<RedirectUri> = uris.iter().map(|text| RedirectUri::parse(text).unwrap()).collect();
        sentences(RuleName::ClientName, |report| {
            rule.check(&names, Ways { redirect_uris: &uris, grants }, report);
        })
    }

    fn check(settings: &str, names: &[&str], uris: &[&str]) -> Vec<String> {
        check_with(&[GrantType::AuthorizationCode], settings, names, uris)
    }

    #[test]
    fn hosts_that_anybody_can_have_are_no_owners() {
        for (hosts, problems) in [
            ("['*.github.io']", 1),
            ("['*.COM', a.example, '*.co.uk']", 2),
            ("['*.claude.ai', '*.svc', '*.corp.internal', example.github.io, '*.example.github.io']", 0),
        ] {
            let settings = format!("{{protected: [{{name: Claude, hosts: {hosts}}}]}}");
            let mut found = Vec::new();
            ClientNameRule::compile(Some(&serde_yaml::from_str(&settings).unwrap()), &mut found);
            assert_eq!(found.len(), problems, "{hosts}: {found:?}");
        }
    }

    #[test]
    fn what_only_reads_as_a_protected_name_passes_with_no_redirect_uri() {
        let own = ["http://127.0.0.1/cb"];
        for name in ["\u{421}laude Code", "Cl\u{430}ude", "C1aude", "Ｃｌａｕｄｅ", "Clаudе für Ärzte", "🅒laude"]
        {
            let sentences = check(SETTINGS, &[name], &own);
            assert!(sentences.len() == 1 && sentences[0].contains("no owner spells it so"), "{name}: {sentences:?}");
        }
        for name in [
            "Claude Code",
            "claude-code",
            "CLAUDE",
            "c.l.a.u.d.e",
            "Claude für Ärzte",
            "Claude™",
            "✨ Claude",
            "Клод",
            "Cláudia",
            "Cláude",
            "Cla\u{301}ude",
            "OpenAL",
        ] {
            assert_eq!(check(SETTINGS, &[name], &own), [] as [&str; 0], "{name}");
        }
    }

    #[test]
    fn a_word_is_not_made_to_look_like_another_by_a_second_script() {
        let own = ["https://app.example.com/cb"];
        for name in [
            "G\u{43e}\u{43e}gle",
            "\u{410}pple",
            "P\u{430}yp\u{430}l Login",
            "\u{13e2}ayPal",
            "App\u{399}e",
            "Micr\u{3bf}soft",
        ] {
            let sentences = check("{}", &[name], &own);
            assert!(sentences.len() == 1 && sentences[0].contains("another script"), "{name}: {sentences:?}");
        }
        for name in [
            "Xерокс",
            "Δv",
            "1С",
            "VIP-клиент",
            "µTorrent",
            "СМС/SMS",
            "Cмарт",
            "Яndex",
            "Τράπεζα",
            "Орех",
            "Ω Systems",
            "β-test",
            "日本Web",
            "Wi-Fi роутер",
            "Café",
            "π-calculator",
            "iСклад",
            "Пример App",
            "Αθήνα Bank",
            "ACME Ե",
        ] {
            assert_eq!(check("{}", &[name], &own), [""; 0], "{name}");
        }
    }

    #[test]
    fn an_owner_writes_its_own_name_as_it_likes() {
        let settings =
            "{protected: [{name: Société Générale, hosts: [sg.example]}, {name: İş Bankası, hosts: [isb.example]}]}";
        for (name, host) in [
            ("Societe Generale", "sg"),
            ("Socie\u{301}te\u{301} Ge\u{301}ne\u{301}rale", "sg"),
            ("SOCIÉTÉ GÉNÉRALE", "sg"),
            ("İŞ BANKASI", "isb"),
        ] {
            assert_eq!(check(settings, &[name], &[&format!("https://{host}.example/cb")]), [""; 0], "{name}");
        }
        assert_eq!(check(settings, &["Societe Generale"], &["https://evil.example/cb"]).len(), 1);
    }

    #[test]
    fn a_protected_name_passes_with_its_owners_redirect_uris_only() {
        for (uris, violations) in [
            (&["https://claude.ai/cb"][..], 0),
            (&["https://api.claude.ai/cb", "http://127.0.0.1:1/cb", "claude://x/cb"], 0),
            (&["https://localhost:3000/cb"], 0),
            (&["https://claude.ai.evil.example/cb"], 1),
            (&["https://claude.ai/cb", "https://evil.example/cb"], 1),
            (&["http://claude.ai/cb"], 1),
            (&["evil://claude.ai/cb"], 1),
            (&[], 1),
        ] {
            assert_eq!(check(SETTINGS, &["Official Claude"], uris).len(), violations, "{uris:?}");
        }
        assert_eq!(
            check(SETTINGS, &["Acme Pay"], &["http://localhost/cb"]).len(),
            1,
            "its owner has no clients on loopback"
        );
    }

    #[test]
    fn a_loopback_redirect_uri_proves_nothing_for_the_device_grant() {
        let grants = [GrantType::AuthorizationCode, GrantType::DeviceCode];
        for (uris, violations) in [
            (&["http://127.0.0.1/x"][..], 1),
            (&["http://127.0.0.1/x", "http://localhost:33418/"], 1),
            (&["https://localhost:33418/"], 1),
            (&["http://127.0.0.1/x", "https://claude.ai/cb"], 0),
            (&["claude://x/cb", "http://127.0.0.1/x"], 0),
            (&["https://evil.example/cb"], 1),
        ] {
            assert_eq!(check_with(&grants, SETTINGS, &["Claude"], uris).len(), violations, "{uris:?}");
        }
        assert_eq!(
            check_with(&[GrantType::DeviceCode], SETTINGS, &["Claude"], &["http://127.0.0.1/x"]),
            ["client_name: \"Claude\" reads as the protected name \"Claude\", and with the grant type \
              \"urn:ietf:params:oauth:grant-type:device_code\" a loopback redirect URI does not show that it is its owner's \
              (RFC 8628 §5.4) (profile \"partners\")"]
        );
        assert_eq!(check_with(&grants, SETTINGS, &["Orders"], &["http://127.0.0.1/x"]), [""; 0], "nobody's name");
    }

    #[test]
    fn nor_does_it_where_the_person_is_asked_on_a_telephone() {
        for (uris, violations) in [(&["http://127.0.0.1/x"][..], 1), (&["https://claude.ai/cb"], 0), (&[], 1)] {
            assert_eq!(check_with(&[GrantType::Ciba], SETTINGS, &["Claude"], uris).len(), violations, "{uris:?}");
        }
    }

    #[test]
    fn an_owners_pages_are_its_clients_own() {
        let check = |member: &'static str, text: &str, uris: &[&str], grants: &[GrantType]| {
            let rule = ClientNameRule::compile(Some(&serde_yaml::from_str(SETTINGS).unwrap()), &mut Vec::new());
            let (text, parsed) = (text.to_owned(), WebUrl::parse(text));
            let urls = [RequestedUrl { member, place: member.to_owned(), text, parsed }];
            let uris: Vec<RedirectUri> = uris.iter().map(|text| RedirectUri::parse(text).unwrap()).collect();
            sentences(RuleName::Urls, |report| {
                rule.check_pages(&urls, Ways { redirect_uris: &uris, grants }, report);
            })
        };
        let code = [GrantType::AuthorizationCode];
        for (member, text, uri, violations) in [
            ("logo_uri", "https://claude.ai/logo.png", "https://evil.example/cb", 1),
            ("client_uri", "https://www.claude.ai/", "https://evil.example/cb", 1),
            ("client_uri", "https://claude.ai/", "https://api.claude.ai/cb", 0),
            ("client_uri", "https://claude.ai/", "http://127.0.0.1:7/cb", 0),
            ("logo_uri", "https://claude.ai/logo.png", "claude://x/cb", 0),
            ("logo_uri", "https://notclaude.ai/logo.png", "https://evil.example/cb", 0),
            ("tos_uri", "https://claude.ai/terms", "https://evil.example/cb", 0),
            ("logo_uri", "https://pay.acme.example/logo.png", "https://claude.ai/cb", 1),
        ] {
            assert_eq!(check(member, text, &[uri], &code).len(), violations, "{member} {text} {uri}");
        }
        let logo = "https://claude.ai/logo.png";
        assert_eq!(check("logo_uri", logo, &[], &[GrantType::ClientCredentials]), [""; 0], "nobody sees it");
        assert_eq!(
            check("logo_uri", logo, &["https://evil.example/cb"], &code),
            [
                "logo_uri: \"https://claude.ai/logo.png\" is on a host of the protected name \"Claude\", and the redirect URI \
              \"https://evil.example/cb\" is not its owner's (profile \"partners\")"
            ]
        );
        for uris in [&[][..], &["http://127.0.0.1/x"]] {
            assert_eq!(check("logo_uri", logo, uris, &[GrantType::DeviceCode]).len(), 1, "{uris:?}");
        }
    }

    #[test]
    fn whose_a_client_says_it_is_counts_as_its_name_does() {
        let check = |name: &str, uris: &[&str], grants: &[GrantType]| {
            let rule = ClientNameRule::compile(Some(&serde_yaml::from_str(SETTINGS).unwrap()), &mut Vec::new());
            let uris: Vec<RedirectUri> = uris.iter().map(|text| RedirectUri::parse(text).unwrap()).collect();
            sentences(RuleName::PlainMembers, |report| {
                rule.check_organization(Some(name), Ways { redirect_uris: &uris, grants }, report);
            })
        };
        let code = [GrantType::AuthorizationCode];
        assert_eq!(
            check("Acme Pay GmbH", &["https://evil.example/cb"], &code),
            ["organization_name: \"Acme Pay GmbH\" reads as the protected name \"Acme Pay\", and the redirect URI \
              \"https://evil.example/cb\" is not its owner's (profile \"partners\")"]
        );
        assert_eq!(check("Acme Pay GmbH", &["https://pay.acme.example/cb"], &code), [""; 0]);
        assert_eq!(check("Acme Corporation", &["https://evil.example/cb"], &code), [""; 0]);
        assert_eq!(check("Acme Pay GmbH", &[], &[GrantType::ClientCredentials]), [""; 0], "nobody sees it");
        for name in ["${client_account}", "{{7*7}}", "#{7*7}", "%{7*7}", "{%print 7%}"] {
            assert_eq!(check(name, &["https://evil.example/cb"], &code).len(), 1, "{name}");
        }
    }

    #[test]
    fn a_name_in_any_language_counts() {
        let found = check(SETTINGS, &["Partner", "Clаude"], &["https://evil.example/cb"]);
        assert_eq!(
            found,
            [
                "client_name#de: \"Clаude\" reads as the protected name \"Claude\", and the redirect URI \"https://evil.example/cb\" is not its owner's (profile \"partners\")"
            ]
        );
    }

    #[test]
    fn ordinary_names_pass() {
        for name in ["Claudette", "Partner Portal", "日本語アプリ", "Müller & Söhne", " Orders "] {
            assert_eq!(check(SETTINGS, &[name], &["https://evil.example/cb"]), [""; 0], "{name}");
        }
        assert_eq!(check("{}", &[], &[]), [""; 0]);
    }

    #[test]
    fn refuses_a_name_that_cannot_be_read() {
        let long = "é".repeat(129);
        for name in ["  ", "a\u{202e}b", "a\nb", "a\u{200b}b", &long] {
            assert_eq!(check("{}", &[name], &[]).len(), 1, "{name:?}");
        }
        assert_eq!(check("{}", &[&"é".repeat(128)], &[]), [""; 0], "characters are counted, not bytes");
        assert_eq!(check("{required: true}", &[], &[]).len(), 1);
    }

    #[test]
    fn a_name_is_kept_in_as_many_languages_as_are_read() {
        let names: Vec<Text> =
            (0..70).map(|n| Text { place: format!("client_name#a{n:02}"), text: "Orders".to_owned() }).collect();
        let rule = ClientNameRule::compile(None, &mut Vec::new());
        let mut report = Report::new(RuleName::ClientName, "partners");
        let ways = Ways { redirect_uris: &[], grants: &[] };
        assert_eq!(rule.check(&names, ways, &mut report).len(), 64);
        let outcome = report.into_outcome();
        assert!(outcome.violations.is_empty());
        assert_eq!(outcome.notes, ["client_name: is given in 70 languages, those after the first 64 are left out"]);
    }
}
