-- Moments are milliseconds since 1970-01-01T00:00:00Z. The tables are the same for every database; only the names of the types differ.

CREATE TABLE initial_access_tokens (
    id                     TEXT    NOT NULL PRIMARY KEY,
    -- SHA-256 of the token's text; the text itself is nowhere.
    hash                   BYTEA   NOT NULL UNIQUE CHECK (length(hash) = 32),
    profile                TEXT    NOT NULL,
    label                  TEXT,
    certificate_thumbprint TEXT,
    created_at             BIGINT  NOT NULL,
    expires_at             BIGINT  NOT NULL,
    max_uses               BIGINT  NOT NULL CHECK (max_uses >= 0),
    -- Spent or reserved.
    used                   BIGINT  NOT NULL CHECK (used BETWEEN 0 AND max_uses),
    revoked_at             BIGINT
);

CREATE INDEX initial_access_tokens_newest ON initial_access_tokens (created_at, id);

-- Tokens that others issued and that are good for one use: spent or reserved. Forgotten when the token has ended.
CREATE TABLE spent_tokens (
    issuer TEXT    NOT NULL,
    id     TEXT    NOT NULL,
    until  BIGINT  NOT NULL,
    PRIMARY KEY (issuer, id)
);

CREATE INDEX spent_tokens_until ON spent_tokens (until);

-- An intent, and what became of it. The row is there before anything is sent; the outcome before anybody is told.
CREATE TABLE registrations (
    id                     TEXT    NOT NULL PRIMARY KEY,
    at                     BIGINT  NOT NULL,
    profile                TEXT    NOT NULL,
    policy_version         TEXT    NOT NULL,
    registrant             TEXT    NOT NULL,
    address                TEXT    NOT NULL,
    certificate_thumbprint TEXT,
    certificate_subject    TEXT,
    token_label            TEXT,
    statement_issuer       TEXT,
    software_id            TEXT,
    -- The use that is reserved: of a token issued here (no issuer), or of somebody else's.
    token                  TEXT,
    token_issuer           TEXT,
    token_until            BIGINT ,
    client_name            TEXT,
    -- A JSON array.
    redirect_uris          TEXT    NOT NULL,
    scope_requested        TEXT,
    scope_granted          TEXT    NOT NULL,
    scope_withheld         TEXT    NOT NULL,
    -- What the same registration of a public client has in common.
    digest                 BYTEA   CHECK (length(digest) = 32),
    -- The periods in which it was counted, for the registrant and for the profile; none: it was not.
    period                 BIGINT ,
    period_start           BIGINT ,
    total_period           BIGINT ,
    total_period_start     BIGINT ,
    outcome                TEXT    CHECK (outcome IN ('registered', 'repeated', 'not_registered', 'unknown')),
    client_id              TEXT,
    reason                 TEXT,
    finished_at            BIGINT ,
    CHECK ((outcome IS NULL) = (finished_at IS NULL)),
    CHECK ((coalesce(outcome, '') IN ('registered', 'repeated')) = (client_id IS NOT NULL))
);

-- `finished_at` and `outcome` are null together. Each index has a condition of its own, so that no statement can be answered, slowly,
-- by another one's.
CREATE INDEX registrations_unfinished ON registrations (at) WHERE finished_at IS NULL;
CREATE INDEX registrations_under_way ON registrations (digest, at) WHERE outcome IS NULL AND digest IS NOT NULL;
CREATE INDEX registrations_newest ON registrations (at, id);
CREATE INDEX registrations_by_client ON registrations (client_id, at, id) WHERE client_id IS NOT NULL;
CREATE INDEX registrations_by_outcome ON registrations (outcome, at, id) WHERE outcome IS NOT NULL;
CREATE INDEX registrations_by_profile ON registrations (profile, at, id);

-- One row for each client that came through the gateway.
CREATE TABLE clients (
    client_id       TEXT    NOT NULL PRIMARY KEY,
    registration    TEXT    NOT NULL REFERENCES registrations (id),
    profile         TEXT    NOT NULL,
    registrant      TEXT    NOT NULL,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL,
    version         BIGINT  NOT NULL,
    state           TEXT    NOT NULL
                    CHECK (state IN ('pending', 'active', 'suspended', 'rejected', 'expired', 'deleted')),
    -- The state with all that belongs to it, as JSON.
    lifecycle       TEXT    NOT NULL,
    client_name     TEXT,
    -- A JSON array, in the client's own terms.
    redirect_uris   TEXT    NOT NULL,
    scope_requested TEXT,
    scope_granted   TEXT    NOT NULL,
    scope_withheld  TEXT    NOT NULL,
    scope_approved  TEXT    NOT NULL,
    -- A JSON object, in the server's terms, without any secret.
    metadata        TEXT    NOT NULL,
    digest          BYTEA   CHECK (length(digest) = 32),
    -- SHA-256 of the gateway's registration access token.
    access_token    BYTEA   UNIQUE CHECK (length(access_token) = 32),
    -- Encrypted: what the gateway needs to manage the client at the server.
    server_access   BYTEA,
    unmanageable    BIGINT  NOT NULL CHECK (unmanageable IN (0, 1)),
    confirmed_at    BIGINT  NOT NULL,
    last_used_at    BIGINT ,
    -- Who is at work on it; a turn that is over and still here was broken off.
    turn_holder     TEXT,
    turn_until      BIGINT ,
    CHECK ((turn_holder IS NULL) = (turn_until IS NULL))
);

-- The same public client twice is one client. What is gone at the server may be registered afresh; what was rejected may not.
CREATE UNIQUE INDEX clients_digest ON clients (digest)
    WHERE digest IS NOT NULL AND state IN ('pending', 'active', 'suspended', 'rejected');
CREATE INDEX clients_newest ON clients (created_at, client_id);
CREATE INDEX clients_by_state ON clients (state, created_at, client_id);
CREATE INDEX clients_by_profile ON clients (profile, created_at, client_id);
-- For both at once, and for counting.
CREATE INDEX clients_by_profile_and_state ON clients (profile, state, created_at, client_id);

-- How much is used of quotas: of a registrant, or of the whole profile (registrant ''). Length 0: clients that exist now.
CREATE TABLE quota_usage (
    profile    TEXT    NOT NULL,
    registrant TEXT    NOT NULL,
    length     BIGINT  NOT NULL,
    start      BIGINT  NOT NULL,
    used       BIGINT  NOT NULL CHECK (used >= 0),
    PRIMARY KEY (profile, registrant, length, start)
);

CREATE INDEX quota_usage_ended ON quota_usage (start) WHERE length > 0;
CREATE INDEX quota_usage_empty ON quota_usage (profile) WHERE length = 0 AND used = 0;

-- What a readiness probe writes after a write has failed, to learn whether writing works again: as much
-- as a registration and more, for a disk with a little room left is full, too.
CREATE TABLE write_probe (
    id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    count  BIGINT NOT NULL,
    filler BYTEA  NOT NULL
);

INSERT INTO write_probe (id, count, filler) VALUES (1, 0, '');
