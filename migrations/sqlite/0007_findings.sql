-- What detectors of anomalies found. Kept for a bounded time.
CREATE TABLE findings (
    at           INTEGER NOT NULL,
    id           TEXT    NOT NULL,
    detector     TEXT    NOT NULL,
    mode         TEXT    NOT NULL,
    subject_kind TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    -- In hundredths.
    score        INTEGER NOT NULL CHECK (score BETWEEN 0 AND 100),
    -- A JSON list of names with numbers.
    evidence     TEXT    NOT NULL,
    sentence     TEXT    NOT NULL,
    request_id   TEXT,
    PRIMARY KEY (at, id)
) STRICT;

CREATE INDEX findings_by_detector ON findings (detector, at, id);
