//! What `doctor` says of each finding: why it matters, and what to do.

/// Why something matters, and what to do.
#[derive(Clone, Copy)]
pub(super) struct Texts {
    pub(super) why: &'static str,
    pub(super) remedy: &'static str,
}

pub(super) const UNREACHABLE: Texts = Texts {
    why: "nothing can be registered, and nothing else could be looked at",
    remedy: "look at authorization_server.url and trust, and whether the server runs",
};
pub(super) const NO_METADATA: Texts = Texts {
    why: "clients find the registration endpoint in the metadata (RFC 8414)",
    remedy: "look at authorization_server.issuer: its path decides where they are",
};
pub(super) const ISSUER: Texts = Texts {
    why: "clients compare the issuer with the URL they found it at, and refuse another one (RFC 8414 §3.3)",
    remedy: "write the issuer exactly as the server does; at Keycloak set --hostname to public_url",
};
pub(super) const PKCE: Texts = Texts {
    why: "MCP clients refuse a server that does not say that it knows PKCE with S256 (RFC 7636), and without it a stolen code is enough",
    remedy: "switch PKCE on at the server, and let it say so",
};
pub(super) const OPEN: Texts = Texts {
    why: "whoever reaches the server can register past the gateway and every rule of it",
    remedy: "shut anonymous registration there (Keycloak: Trusted Hosts with an empty list), and let only the gateway reach it",
};
pub(super) const WRONG_PATH: Texts = Texts {
    why: "the gateway would register there",
    remedy: "look at authorization_server.registration_path and kind",
};
pub(super) const UNCLEAR: Texts = Texts {
    why: "whether registration is open to everybody could not be told",
    remedy: "try it by hand, past the gateway",
};
pub(super) const ELSEWHERE: Texts = Texts {
    why: "there the gateway guards nothing: registration, and clients that were suspended",
    remedy: "let only the gateway connect to the server",
};
pub(super) const NO_ADMINISTRATION: Texts = Texts {
    why: "clients are suspended by the gateway alone, and a lost token cannot be made anew",
    remedy: "give authorization_server.administration a client with manage-clients (docs/keycloak.md)",
};
pub(super) const ADMINISTRATION: Texts = Texts {
    why: "suspending, deleting and recovering clients fails",
    remedy: "give the service account the role manage-clients of realm-management: deploy/keycloak/grant-admin-roles",
};
pub(super) const EVENTS_UNREAD: Texts = Texts {
    why: "which clients are used is not learned from the realm's events, and nothing expires for being unused",
    remedy: "give the service account the role view-events of realm-management: deploy/keycloak/grant-admin-roles",
};
pub(super) const EVENTS_OFF: Texts = Texts {
    why: "which clients are used is not learned from the realm's events, and nothing expires for being unused",
    remedy: "Realm settings, Events, User events settings: save events, of the types CODE_TO_TOKEN, CLIENT_LOGIN and REFRESH_TOKEN",
};
pub(super) const REFRESHES: Texts = Texts {
    why: "the last use of a client is then the last time that somebody signed in, not that its token was refreshed",
    remedy: "add Refresh token to the saved types in Realm settings, Events, User events settings",
};
pub(super) const EVENTS_BRIEF: Texts = Texts {
    why: "uses while the gateway is away for longer than that are never learned of; the time without uses then begins anew",
    remedy: "let the realm keep its events for a day or more",
};
pub(super) const POLICY: Texts = Texts {
    why: "clients that the gateway registers would have more than those of anonymous registration: all roles of their users, without asking them",
    remedy: "add the policy to the authenticated chain (docs/keycloak.md, Setting it up)",
};
pub(super) const UNREAD: Texts = Texts {
    why: "whether clients have to ask for consent and get no roles could not be looked at",
    remedy: "look by hand: Clients, Client registration, Authenticated access policies",
};
