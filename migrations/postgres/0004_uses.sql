-- Since when uses of clients are watched without a gap, and when any was last seen. No row: they are not watched.
CREATE TABLE use_watch (
    id       BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    since    BIGINT NOT NULL,
    last_use BIGINT
);

-- Clients that nobody has used yet.
CREATE INDEX clients_unused ON clients (profile, created_at, client_id) WHERE state = 'active' AND last_used_at IS NULL;
