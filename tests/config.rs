//! The configuration: what is good loads, and each file of the museum is refused with the sentences beside it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use dcr_gateway::config::{self, Config, Problems};
use sha2::{Digest as _, Sha256};

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(name)
}

fn files(name: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    files
}

fn environment(name: &str) -> Option<String> {
    match name {
        "SECRET" => Some("hunter\"2".to_owned()),
        "CONNECTIONS" => Some("16".to_owned()),
        "HOST" => Some("127.0.0.1".to_owned()),
        _ => None,
    }
}

/// What the configurations name as `../FILE`: the museum's own files, and a certificate with its key, made on the spot.
fn operators_files() -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let made = tempfile::tempdir().unwrap();
        for name in ["directory.jwks.json", "empty_secret", "public", "symmetric.jwks.json"] {
            std::fs::copy(directory(name), made.path().join(name)).unwrap();
        }
        for name in ["bad", "good"] {
            std::fs::create_dir(made.path().join(name)).unwrap();
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(made.path().join("server.pem"), certificate.pem()).unwrap();
        std::fs::write(made.path().join("server.key"), key.serialize_pem()).unwrap();
        made
    });
    made.path()
}

/// Loads `file` as if it were among the files of an operator.
fn load(file: &Path) -> Result<Config, Problems> {
    let below = file.strip_prefix(directory("")).unwrap();
    config::from_text(&std::fs::read_to_string(file).unwrap(), &operators_files().join(below), &environment)
}

/// The sentences, with the file's name alone: the machine's paths differ, and so does who may read a file that was checked out.
fn told(problems: &Problems) -> String {
    let mut problems = problems.clone();
    problems.problems.retain(|problem| !problem.reason.starts_with("everybody on this machine"));
    problems.to_string().replace(&format!("{}/bad/", operators_files().display()), "")
}

#[test]
fn each_mistake_of_the_museum_is_told() {
    let museum = files("bad");
    assert!(museum.len() >= 30, "{} exhibits", museum.len());
    insta::with_settings!({ snapshot_path => directory("snapshots"), prepend_module_to_snapshot => false, omit_expression => true }, {
        for file in museum {
            let name = file.file_stem().unwrap().to_str().unwrap();
            let problems = load(&file).err().unwrap_or_else(|| panic!("{name} is accepted"));
            insta::assert_snapshot!(name, told(&problems));
        }
    });
}

#[test]
fn the_configurations_in_the_document_about_cognito_load() {
    let document = std::fs::read_to_string(directory("../../docs/cognito.md")).unwrap();
    let written: Vec<&str> =
        document.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(written.len(), 2, "one for each way");
    for text in written {
        // The files that an operator has.
        let text = text.replace("secrets/cognito", "../public").replace("certs/", "../");
        let loaded = config::from_text(&text, &operators_files().join("good/cognito.yaml"), &environment);
        assert!(loaded.is_ok(), "{}\n{text}", loaded.err().unwrap());
    }
}

#[test]
fn no_message_shows_a_password_or_what_a_variable_holds() {
    for file in files("bad") {
        if let Err(problems) = load(&file) {
            let told = format!("{problems}{}", serde_json::to_string(&problems).unwrap());
            assert!(!told.contains("hunter"), "{}: {told}", file.display());
        }
    }
}

#[test]
fn what_is_good_loads_without_a_warning() {
    for file in files("good") {
        let config = load(&file).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(config.warnings, [], "{}", file.display());
    }
}

#[test]
fn a_profile_that_is_open_and_counts_nothing_is_warned_of() {
    let file = directory("good/least.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    for (change, is_warned) in [("", true), ("    initial_access_token: required\n", false)] {
        let text = text.replace("    limits: { rate: 10/m, burst: 20 }\n", "");
        let text = if change.is_empty() { text } else { text.replace("    initial_access_token: off\n", change) };
        let warnings = config::from_text(&text, &file, &environment).unwrap().warnings;
        let places: Vec<&str> = warnings.iter().map(|warning| warning.place.as_str()).collect();
        assert_eq!(places, if is_warned { vec!["profiles[0].limits"] } else { vec![] }, "{text}");
    }
}

#[test]
fn the_example_runs_as_it_is() {
    let config = config::load(&directory("../../config.yaml")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.warnings, []);
    let names: Vec<&str> = config.profiles.iter().map(|profile| profile.name()).collect();
    assert_eq!(names, ["partners", "mcp"]);
}

/// What a commented line holds: how far it is indented, and what stands behind "# ".
fn off(line: &str) -> Option<(&str, &str)> {
    let (indentation, rest) = line.split_once("# ")?;
    indentation.trim().is_empty().then_some((indentation, rest))
}

#[test]
fn what_is_off_in_the_example_is_written_by_taking_the_mark_away() {
    let file = directory("../../config.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let is_key = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let begins = |rest: &str| {
        let key = rest
            .strip_prefix("- ")
            .unwrap_or(rest)
            .split_once(':')
            .filter(|(_, value)| value.is_empty() || value.starts_with(' '));
        key.is_some_and(|(key, _)| is_key(key))
    };
    let mut count = 0;
    for (at, line) in lines.iter().enumerate() {
        let Some((indentation, _)) = off(line).filter(|(_, rest)| begins(rest)) else { continue };
        let is_below =
            |line: &&&str| off(line).is_some_and(|(other, rest)| other == indentation && rest.starts_with(' '));
        let end = at + 1 + lines[at + 1..].iter().take_while(is_below).count();
        let on = |(number, line): (usize, &&str)| {
            if (at..end).contains(&number) { line.replacen("# ", "", 1) } else { (*line).to_owned() }
        };
        let written = lines.iter().enumerate().map(on).collect::<Vec<_>>().join("\n");
        if let Err(problems) = config::from_text(&written, &file, &environment) {
            let is_understood = problems.problems.iter().all(|problem| !problem.place.is_empty());
            assert!(is_understood && !problems.incomplete, "{}:\n{problems}", line.trim());
        }
        count += 1;
    }
    assert!(count > 25, "{count} keys are off");
}

#[test]
fn a_byte_order_mark_is_no_document_of_its_own() {
    let file = directory("good/least.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let marked = format!("\u{feff}{text}");
    let config = config::from_text(&marked, &file, &environment).unwrap();
    assert_eq!(config.digest[..], Sha256::digest(marked)[..], "of the file as it is");
}

#[test]
fn what_is_accepted_and_does_less_than_is_written_is_warned_of() {
    let text = std::fs::read_to_string(directory("good/least.yaml")).unwrap();
    let text = text
        .replace("{ address: \"127.0.0.1:8080\" }", "{ address: \"127.0.0.1:8080\", trusted_proxies: [0.0.0.0/0] }");
    let text = text.replace("registration_path: /register", "registration_path: /register, client_management: none")
        + "    algorithms: { signing: [RS255], encryption: [RS256] }\n"
        + "    scopes: { by_approval: [orders] }\n    four_eyes: true\n"
        + "management: { growth: approval }\nanomalies: { lookalike_names: { names: [Claude, Acme] }, probing: { mode: \"off\" }, \
           responses: [{ to: [token_guessing, probing], action: ban_address }] }\n";
    let config = config::from_text(&text, &directory("good/least.yaml"), &environment);
    let warnings = config.unwrap_or_else(|problems| panic!("{problems}")).warnings;
    let places: Vec<&str> = warnings.iter().map(|warning| warning.place.as_str()).collect();
    let expected = [
        "listeners[0].trusted_proxies[0]",
        "profiles[0].algorithms.signing[0]",
        "profiles[0].algorithms.encryption[0]",
        "profiles[0].scopes.by_approval",
        "profiles[0].four_eyes",
        "management.growth",
        "anomalies.lookalike_names.names[1]",
        "anomalies.responses[0].to",
    ];
    assert_eq!(places, expected, "{warnings:#?}");
    assert_eq!(warnings[1].hint, "did you mean RS256?");
}

#[test]
fn a_number_may_come_from_a_variable() {
    let text = std::fs::read_to_string(directory("good/least.yaml")).unwrap();
    let text = text.replace("\"127.0.0.1:8080\" }", "\"${HOST}:8080\", max_connections: \"${CONNECTIONS}\" }");
    let config = config::from_text(&text, Path::new("/etc/dcr-gateway/config.yaml"), &environment).unwrap();
    assert_eq!(config.settings.listeners[0].max_connections, 16);
}

#[test]
fn relative_paths_are_below_the_directory_of_the_file() {
    let text = std::fs::read_to_string(directory("good/least.yaml")).unwrap();
    let config = config::from_text(&text, Path::new("/etc/dcr-gateway/config.yaml"), &environment).unwrap();
    assert_eq!(config.settings.store.url.to_string(), "sqlite:///etc/dcr-gateway/data/gateway.db");
    let shared = text + "store: { url: \"postgres://dcr@db.example/dcr\", password_file: ../public }\n";
    let config = config::from_text(&shared, &directory("good/shared.yaml"), &environment).unwrap();
    assert_eq!(config.settings.store.password_file, Some(directory("good/../public")));
    assert!(config.seen.contains_key(&directory("good/../public")));
}

/// What `openssl x509 -req` makes of a request without extensions, with a key of its own.
const VERSION_1: &str = "-----BEGIN CERTIFICATE-----\n\
MIIBIzCBywIUNgyeV0lZ30hgvzPQC5FZ9Tqd7kEwCgYIKoZIzj0EAwIwFDESMBAG\n\
A1UEAwwJbG9jYWxob3N0MCAXDTI2MTEzMDIxMDM0M1oYDzIxMjYxMTA2MjEwMzQz\n\
WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n\
AARrReIO/ilADcf5xSkhGs6jF09fQviABECmll0Dc+o/WhEIAyr0bu2STVlqpY1E\n\
OpiYIRQejaSOD8w1wX4bkhO7MAoGCCqGSM49BAMCA0cAMEQCIGp/B11m3JBKIrFG\n\
UBa6RhReaoR866aeujHI4zehFc41AiB9FYJvEg3uFnExMnSCEGNlT0/kFzSRGY/t\n\
pIUpRJ2JQg==\n\
-----END CERTIFICATE-----\n";

/// A CA of this name, and an empty revocation list that it signed.
fn authority(name: &str) -> (rcgen::CertifiedIssuer<'static, rcgen::KeyPair>, String) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
    let now = time::OffsetDateTime::now_utc();
    let list = rcgen::CertificateRevocationListParams {
        this_update: now - time::Duration::days(1),
        next_update: now + time::Duration::days(9),
        crl_number: rcgen::SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&issuer).unwrap().pem().unwrap();
    (issuer, list)
}

#[test]
fn what_serve_could_not_start_with_is_an_error_and_a_certificate_at_its_end_is_warned_of() {
    let made = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(made.path().join(name), text).unwrap();
    let (key, other) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    write("server.pem", &params.self_signed(&key).unwrap().pem());
    params.not_after = time::OffsetDateTime::now_utc() - time::Duration::days(1);
    write("ended.pem", &params.self_signed(&key).unwrap().pem());
    write("server.key", &key.serialize_pem());
    write("other.key", &other.serialize_pem());
    write("short.key", "-----BEGIN PRIVATE KEY-----\nMAAwADAA\n-----END PRIVATE KEY-----\n");
    write("v1.pem", VERSION_1);
    let ((authority, list), (_, stale)) = (self::authority("Clients"), self::authority("Clients"));
    write("ca.pem", &authority.as_ref().pem());
    write("own.crl", &list);
    write("stale.crl", &stale);
    let text = std::fs::read_to_string(directory("good/least.yaml")).unwrap();
    let load = |(certificate, key, list): (&str, &str, &str), more: &str| {
        let clients = format!("{{ request: optional, trust: [ca.pem], revocation_lists: [{list}] }}");
        let tls = format!("tls: {{ certificate: {certificate}, private_key: {key}, client_certificates: {clients} }}");
        let text = text.replace("\"127.0.0.1:8080\" }", &format!("\"127.0.0.1:8080\", {tls} }}")) + more;
        config::from_text(&text, &made.path().join("gateway.yaml"), &environment)
    };
    for (files, place, said) in [
        (("server.pem", "other.key", "own.crl"), "private_key", "is not the key of the certificate"),
        (("server.pem", "short.key", "own.crl"), "private_key", "2048 bits"),
        (("v1.pem", "server.key", "own.crl"), "certificate", "version 1: make it with a subjectAltName"),
        (("server.pem", "server.key", "stale.crl"), "client_certificates.revocation_lists[0]", "not signed by the CA"),
    ] {
        let problems = load(files, "").unwrap_err().problems;
        let place = format!("listeners[0].tls.{place}");
        let is_said = problems.iter().any(|problem| problem.place == place && problem.reason.contains(said));
        assert!(is_said, "{files:?}: {problems:?}");
    }
    let admin = "admin: { listen: \"127.0.0.1:8081\", tls: { certificate: server.pem, private_key: other.key } }\n";
    let problems = load(("server.pem", "server.key", "own.crl"), admin).unwrap_err().problems;
    let is_error = |problem: &config::Problem| problem.severity == config::Severity::Error;
    let errors: Vec<&str> =
        problems.iter().filter(|problem| is_error(problem)).map(|problem| &*problem.place).collect();
    assert_eq!(errors, ["admin.tls.private_key"], "{problems:?}");

    let now = dcr_gateway::clock::Timestamp::from_unix_millis(time::OffsetDateTime::now_utc().unix_timestamp() * 1000);
    let ending = |certificate: &str| {
        let config = load((certificate, "server.key", "own.crl"), "").unwrap_or_else(|problems| panic!("{problems}"));
        let known = config.warnings.clone();
        let warnings = config.warned_of_ends(now).warnings.into_iter().filter(|warning| !known.contains(warning));
        warnings.map(|warning| warning.place).collect::<Vec<_>>()
    };
    assert_eq!(ending("server.pem"), [""; 0]);
    assert_eq!(ending("ended.pem"), ["listeners[0].tls.certificate"]);
}

#[test]
fn a_signing_key_that_is_still_to_be_made_is_in_the_way_of_serving_alone() {
    let text = std::fs::read_to_string(directory("good/least.yaml")).unwrap();
    let text = text + "audit: { signing_key_file: not-made-yet }\n";
    let config = config::from_text(&text, &directory("good/least.yaml"), &environment).unwrap();
    let problems = config.to_be_served().unwrap_err();
    assert_eq!(problems.problems[0].place, "audit.signing_key_file");
    assert!(problems.to_string().contains("dcr-gateway keys audit"), "{problems}");
}

#[test]
fn keys_that_everybody_may_read_are_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let made = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(directory("good/least.yaml")).unwrap();
    let text = text + "store: { encryption_key_file: store.key }\naudit: { signing_key_file: audit.key }\n";
    dcr_gateway::sealing::Keys::read_or_make(&made.path().join("store.key"), &[7; 32]).unwrap();
    dcr_gateway::audit::SigningKeys::add(&made.path().join("audit.key"), &[8; 32]).unwrap();
    let warned_of = |mode| {
        for key in ["store.key", "audit.key"] {
            std::fs::set_permissions(made.path().join(key), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let config = config::from_text(&text, &made.path().join("gateway.yaml"), &environment).unwrap();
        config.warnings.into_iter().map(|warning| warning.place).collect::<Vec<_>>()
    };
    assert_eq!(warned_of(0o640), [""; 0]);
    assert_eq!(warned_of(0o644), ["store.encryption_key_file", "audit.signing_key_file"]);
}
