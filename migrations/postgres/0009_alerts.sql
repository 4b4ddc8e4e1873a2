-- What receivers of alerts are to be told, until they have it.
CREATE TABLE alert_deliveries (
    id            TEXT    NOT NULL PRIMARY KEY,
    receiver      TEXT    NOT NULL,
    -- The group, or the key of what lasts.
    name          TEXT    NOT NULL,
    created_at    BIGINT  NOT NULL,
    -- When it is tried next.
    due_at        BIGINT  NOT NULL,
    attempts      BIGINT  NOT NULL DEFAULT 0,
    -- 1: it is being delivered, nothing is added any more.
    closed        BIGINT  NOT NULL DEFAULT 0,
    -- Grows when something else takes its place.
    version       BIGINT  NOT NULL DEFAULT 0,
    -- What lasts is told again until then.
    lasting_until BIGINT,
    -- How many notices there was no room for.
    more          BIGINT  NOT NULL DEFAULT 0,
    last_error    TEXT
);

CREATE INDEX alert_deliveries_due ON alert_deliveries (due_at, receiver);
CREATE INDEX alert_deliveries_of ON alert_deliveries (receiver, created_at, id);
CREATE UNIQUE INDEX alert_deliveries_open ON alert_deliveries (receiver, name) WHERE closed = 0;

CREATE TABLE alert_notices (
    delivery TEXT    NOT NULL REFERENCES alert_deliveries (id) ON DELETE CASCADE,
    place    BIGINT  NOT NULL,
    notice   TEXT    NOT NULL,
    PRIMARY KEY (delivery, place)
);

-- What was told lately: it is not told again before its time.
CREATE TABLE alert_told (
    receiver    TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    quiet_until BIGINT  NOT NULL,
    PRIMARY KEY (receiver, key)
);

CREATE INDEX alert_told_until ON alert_told (quiet_until);

-- Which process is delivering to a receiver, and until when no other may.
CREATE TABLE alert_turns (
    receiver TEXT    NOT NULL PRIMARY KEY,
    holder   TEXT    NOT NULL,
    until    BIGINT  NOT NULL
);
