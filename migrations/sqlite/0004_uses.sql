-- Since when uses of clients are watched without a gap, and when any was last seen. No row: they are not watched.
CREATE TABLE use_watch (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    since    INTEGER NOT NULL,
    last_use INTEGER
) STRICT;

-- Clients that nobody has used yet.
CREATE INDEX clients_unused ON clients (profile, created_at, client_id) WHERE state = 'active' AND last_used_at IS NULL;
