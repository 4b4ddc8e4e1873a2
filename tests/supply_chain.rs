//! What the dependencies may be, as `deny.toml` says, and the bill of materials: held without anything installed but Cargo.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The packages of a lock file: name, source, checksum.
fn locked(lock: &str) -> Vec<(&str, Option<&str>, Option<&str>)> {
    let packages = lock.split("[[package]]").skip(1);
    packages
        .map(|package| {
            let value = |name: &str| {
                let start = package.find(&format!("\n{name} = \""))? + name.len() + 5;
                package[start..].split('"').next()
            };
            (value("name").unwrap_or_default(), value("source"), value("checksum"))
        })
        .collect()
}

/// The texts of the list `name` in a section of `deny.toml`; of a list of tables what stands behind `crate`.
fn listed(section: &str, name: &str) -> BTreeSet<String> {
    let text = read("deny.toml");
    let section = text.split(&format!("\n[{section}]\n")).nth(1).unwrap().split("\n[").next().unwrap();
    let list = section.split(&format!("\n{name} = [\n")).nth(1).unwrap().split("\n]").next().unwrap();
    let entries = list.lines().map(|line| line.trim().trim_start_matches("{ crate = "));
    entries.filter_map(|entry| entry.strip_prefix('"')?.split('"').next()).map(str::to_owned).collect()
}

/// What Cargo resolves, by name and version: the licence of each package that is built here.
fn licences() -> BTreeMap<String, String> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let arguments = ["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", &platform];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let resolved: BTreeSet<&str> = nodes.iter().filter_map(|node| node["id"].as_str()).collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let packages = packages.filter(|package| resolved.contains(package["id"].as_str().unwrap()));
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    packages
        .map(|package| (format!("{} {}", text(&package["name"]), text(&package["version"])), text(&package["license"])))
        .collect()
}

/// Whether an expression (SPDX, or the old `A/B`) can be met by the licences that are allowed. `AND` binds closer than `OR`.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    let expression = expression.split_whitespace().collect::<Vec<_>>().join(" ");
    if let (Some(open), Some(close)) =
        (expression.rfind('('), expression.find(')').filter(|_| expression.contains('(')))
    {
        let close = open + expression[open..].find(')').unwrap_or(close - open);
        let inside = if is_met(&expression[open + 1..close], allowed) { "yes" } else { "no" };
        return is_met(&format!("{}{inside}{}", &expression[..open], &expression[close + 1..]), allowed);
    }
    let is_allowed = |name: &str| name == "yes" || allowed.contains(name);
    expression.split(" OR ").any(|either| either.split(" AND ").all(|name| is_allowed(name.trim())))
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    let manifest = read("Cargo.toml");
    let lints = manifest.split("\n[lints.rust]\n").nth(1).expect("lints for every target of the package");
    assert!(lints.lines().any(|line| line == "unsafe_code = \"forbid\""), "{lints}");
}

#[test]
fn every_package_is_from_the_registry_and_has_its_checksum() {
    let lock = read("Cargo.lock");
    let packages = locked(&lock);
    assert!(packages.len() > 300);
    let sources: BTreeSet<_> = packages.iter().filter_map(|(_, source, _)| *source).collect();
    assert!(sources.len() == 1 && sources.iter().all(|source| source.starts_with("registry+")), "{sources:?}");
    let without: Vec<_> =
        packages.iter().filter(|(_, source, checksum)| source.is_none() || checksum.is_none()).collect();
    assert!(matches!(without[..], [("dcr-gateway", None, None)]), "{without:?}");
}

#[test]
fn every_licence_is_one_that_deny_toml_allows() {
    let allowed = listed("licenses", "allow");
    assert!(allowed.contains("MIT") && allowed.contains("Apache-2.0"), "{allowed:?}");
    let all = licences();
    assert!(all.len() > 300, "{}", all.len());
    let others: Vec<_> = all.iter().filter(|(_, licence)| !is_met(licence, &allowed)).collect();
    assert!(others.is_empty(), "read the licence, then allow it in deny.toml or leave the crate: {others:#?}");
}

#[test]
fn nothing_that_deny_toml_bans_is_there() {
    let banned = listed("bans", "deny");
    for name in ["aws-lc-rs", "aws-lc-sys", "native-tls", "openssl", "openssl-sys", "boring-sys"] {
        assert!(banned.contains(name), "{name} is not banned");
    }
    let lock = read("Cargo.lock");
    let there: Vec<_> = locked(&lock).into_iter().filter(|(name, ..)| banned.contains(*name)).collect();
    assert!(there.is_empty(), "{there:?}");
}

#[test]
fn what_is_fuzzed_is_what_is_built() {
    let (own, fuzzed) = (read("Cargo.lock"), read("fuzz/Cargo.lock"));
    let versions = |lock: &str| {
        let packages = lock.split("[[package]]").skip(1).filter(|package| package.contains("\nsource = "));
        packages.map(|package| package.lines().skip(1).take(2).collect::<Vec<_>>().join(" ")).collect::<BTreeSet<_>>()
    };
    let (own, fuzzed) = (versions(&own), versions(&fuzzed));
    let name = |package: &String| package.split(" version").next().unwrap_or_default().to_owned();
    let known: BTreeSet<_> = own.iter().map(name).collect();
    let others: Vec<_> = fuzzed.difference(&own).filter(|package| known.contains(&name(package))).collect();
    let mend = "cp Cargo.lock fuzz/Cargo.lock && cargo metadata --manifest-path fuzz/Cargo.toml > /dev/null";
    assert!(others.is_empty() && fuzzed.len() > 300, "other versions in fuzz/Cargo.lock: {others:?}: {mend}");
}

#[test]
fn an_expression_of_licences_is_read_as_spdx_has_it() {
    let allowed = BTreeSet::from(["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned));
    for met in [
        "MIT",
        "GPL-3.0 OR MIT",
        "GPL-3.0/MIT",
        "GPL-3.0 / MIT",
        "MIT AND ISC",
        "(GPL-3.0 OR MIT) AND ISC",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for unmet in
        ["none", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "GPL-3.0 OR (MIT AND GPL-2.0)", "Apache-2.0"]
    {
        assert!(!is_met(unmet, &allowed), "{unmet}");
    }
}

/// Where there is no Python there is nothing to see, unless `DCR_TEST_READERS=required`.
#[test]
fn the_bill_of_materials_lists_what_is_built_and_is_the_same_twice() {
    let made = || {
        let mut command = Command::new("python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/sbom")).env("CARGO", env!("CARGO"));
        command.env("CARGO_NET_OFFLINE", "true").env("SOURCE_DATE_EPOCH", "1700000000").output()
    };
    let output = match made() {
        Ok(output) => output,
        Err(error) if std::env::var_os("DCR_TEST_READERS").is_none() => return eprintln!("skipped: python3: {error}"),
        Err(error) => panic!("DCR_TEST_READERS=required, and python3: {error}"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(made().unwrap().stdout, output.stdout);
    let bill: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["timestamp"], "2023-11-14T22:13:20Z");
    let components = bill["components"].as_array().unwrap();
    let names: BTreeSet<&str> = components.iter().filter_map(|component| component["name"].as_str()).collect();
    for name in ["pingora", "rustls", "ring", "serde_json", "sqlx"] {
        assert!(names.contains(name), "{name} is built, and not listed");
    }
    for name in ["proptest", "insta", "criterion"] {
        assert!(!names.contains(name), "{name} is listed, and only tests have it");
    }
    let lock = read("Cargo.lock");
    let checksums: BTreeSet<_> = locked(&lock).into_iter().filter_map(|(_, _, checksum)| checksum).collect();
    for component in components {
        let hash = component["hashes"][0]["content"].as_str().unwrap_or_default();
        assert!(checksums.contains(hash), "{component}");
    }
    let references: BTreeSet<_> =
        components.iter().map(|component| &component["bom-ref"]).map(Value::to_string).collect();
    for dependency in
        bill["dependencies"].as_array().unwrap().iter().flat_map(|one| one["dependsOn"].as_array().unwrap())
    {
        assert!(references.contains(&dependency.to_string()), "{dependency} is depended on, and not listed");
    }
}
