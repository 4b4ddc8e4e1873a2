-- What receivers of alerts are to be told, until they have it.
CREATE TABLE alert_deliveries (
    id            TEXT    NOT NULL PRIMARY KEY,
    receiver      TEXT    NOT NULL,
    -- The group, or the key of what lasts.
    name          TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    -- When it is tried next.
    due_at        INTEGER NOT NULL,
    attempts      INTEGER NOT NULL DEFAULT 0,
    -- 1: it is being delivered, nothing is added any more.
    closed        INTEGER NOT NULL DEFAULT 0,
    -- Grows when something else takes its place.
    version       INTEGER NOT NULL DEFAULT 0,
    -- What lasts is told again until then.
    lasting_until INTEGER,
    -- How many notices there was no room for.
    more          INTEGER NOT NULL DEFAULT 0,
    last_error    TEXT
) STRICT;

CREATE INDEX alert_deliveries_due ON alert_deliveries (due_at, receiver);
CREATE INDEX alert_deliveries_of ON alert_deliveries (receiver, created_at, id);
CREATE UNIQUE INDEX alert_deliveries_open ON alert_deliveries (receiver, name) WHERE closed = 0;

CREATE TABLE alert_notices (
    delivery TEXT    NOT NULL REFERENCES alert_deliveries (id) ON DELETE CASCADE,
    place    INTEGER NOT NULL,
    notice   TEXT    NOT NULL,
    PRIMARY KEY (delivery, place)
) STRICT;

-- What was told lately: it is not told again before its time.
CREATE TABLE alert_told (
    receiver    TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    quiet_until INTEGER NOT NULL,
    PRIMARY KEY (receiver, key)
) STRICT;

CREATE INDEX alert_told_until ON alert_told (quiet_until);

-- Which process is delivering to a receiver, and until when no other may.
CREATE TABLE alert_turns (
    receiver TEXT    NOT NULL PRIMARY KEY,
    holder   TEXT    NOT NULL,
    until    INTEGER NOT NULL
) STRICT;
