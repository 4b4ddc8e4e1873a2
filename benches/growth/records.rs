//! Clients and findings that were there before: rows written straight into an SQLite store.

#![allow(dead_code, reason = "the bench of the store needs clients alone")]

/// Statements that fill an SQLite store with so many clients, each with the registration it came of. Names that follow one another lie far
/// apart: below 1,000,003, a prime, they are `n * 7919` modulo it.
pub fn clients(many: u64) -> Vec<String> {
    let names = format!(
        "CREATE TEMP TABLE names AS WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {many}) \
         SELECT n, n * 7919 % 1000003 AS name FROM n"
    );
    let registrations = "INSERT INTO registrations (id, at, profile, policy_version, registrant, address, redirect_uris, scope_granted, \
         scope_withheld, outcome, client_id, finished_at) SELECT 'r-' || name, n, 'profile-' || n % 7, '', 'somebody-' || n % 50000, \
         '192.0.2.1', '[\"https://app.example/cb\"]', 'openid', '', 'registered', name, n FROM names";
    let clients = "INSERT INTO clients (client_id, registration, profile, registrant, created_at, updated_at, version, state, lifecycle, \
         redirect_uris, scope_granted, scope_withheld, scope_approved, metadata, digest, access_token, unmanageable, confirmed_at) \
         SELECT name, 'r-' || name, 'profile-' || n % 7, 'somebody-' || n % 50000, n, n, 1, \
         CASE WHEN n % 100 = 0 THEN 'suspended' ELSE 'active' END, '{\"state\":\"active\"}', '[\"https://app.example/cb\"]', 'openid', \
         '', '', '{\"client_name\":\"One of many\"}', CAST(printf('%032d', name) AS BLOB), \
         CAST(printf('%032d', name) AS BLOB), 0, n FROM names";
    ["BEGIN", &names, registrations, clients, "DROP TABLE names", "COMMIT"].map(str::to_owned).into()
}

/// The same for findings of one detector, a second apart.
pub fn findings(many: u64) -> Vec<String> {
    vec![format!(
        "INSERT INTO findings (at, id, detector, mode, subject_kind, subject, score, evidence, sentence, request_id) \
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {many}) \
         SELECT 1767225600000 + n * 1000, 'f-' || n, 'token_guessing', 'report', 'network', '192.0.2.' || n % 256 || '/32', 80, '[]', \
         'somebody guesses', NULL FROM n"
    )]
}
