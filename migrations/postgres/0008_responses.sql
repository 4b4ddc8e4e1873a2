-- What is done about findings, or by an operator's order: each until it expires or is lifted. Kept for a bounded time after its end.
CREATE TABLE responses (
    id         TEXT   NOT NULL PRIMARY KEY,
    action     TEXT   NOT NULL,
    -- A network, a thumbprint, the name of a token or a profile, a client_id; '' for a lockdown.
    subject    TEXT   NOT NULL,
    factor     BIGINT NOT NULL CHECK (factor >= 1),
    dry_run    BIGINT NOT NULL CHECK (dry_run IN (0, 1)),
    -- The detector where there is a finding, otherwise the operator.
    author     TEXT   NOT NULL,
    finding    TEXT,
    reason     TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- NULL: nobody has ended it.
    ended_at   BIGINT,
    -- NULL with a moment beside it: its time was over.
    ended_by   TEXT
);

-- One of a kind at a time.
CREATE UNIQUE INDEX responses_one ON responses (action, subject, dry_run) WHERE ended_at IS NULL;
CREATE INDEX responses_in_force ON responses (created_at, id) WHERE ended_at IS NULL;
CREATE INDEX responses_created ON responses (created_at, id);
CREATE INDEX responses_ended ON responses (ended_at) WHERE ended_at IS NOT NULL;

-- Counts every change, so that a replica asks for one number and not for all responses.
CREATE TABLE response_changes (
    id    BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    count BIGINT NOT NULL
);

INSERT INTO response_changes (id, count) VALUES (1, 0);
