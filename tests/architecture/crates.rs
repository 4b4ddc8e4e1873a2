//! What the lock file brings: one crypto library (ring), one rustls.

/// Libraries that do what ring and rustls do here; AWS's client brings the first by default.
const SECOND_LIBRARIES: [&str; 6] = ["aws-lc-rs", "aws-lc-sys", "boring-sys", "native-tls", "openssl", "openssl-sys"];

/// Packages of a lock file that must not be there, and of which there is more than one.
pub fn crypto_twice(lock: &str) -> Vec<String> {
    let names: Vec<&str> = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    let second = names.iter().filter(|name| SECOND_LIBRARIES.contains(name)).map(|name| format!("{name} is there"));
    let is_twice = |name: &&str| names.iter().filter(|other| other == &name).count() > 1;
    let twice = ["ring", "rustls"].into_iter().filter(is_twice).map(|name| format!("{name} is there twice"));
    second.chain(twice).collect()
}

#[test]
fn a_second_crypto_library_is_found() {
    let lock = "[[package]]\nname = \"ring\"\n\n[[package]]\nname = \"aws-lc-rs\"\n\n[[package]]\nname = \"ring\"\n";
    assert_eq!(crypto_twice(lock), ["aws-lc-rs is there", "ring is there twice"]);
    assert!(crypto_twice("[[package]]\nname = \"ring\"\n[[package]]\nname = \"rustls\"\n").is_empty());
}
