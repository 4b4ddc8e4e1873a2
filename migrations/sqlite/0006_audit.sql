-- What happened, as each process that wrote it chained it. Nothing here is ever changed; retention takes away the beginning of a chain.
CREATE TABLE audit_records (
    -- Names the chain: one for each process.
    writer   TEXT    NOT NULL,
    sequence INTEGER NOT NULL CHECK (sequence >= 0),
    at       INTEGER NOT NULL,
    -- The hash of the record before it, and its own.
    previous BLOB    NOT NULL CHECK (length(previous) = 32),
    hash     BLOB    NOT NULL CHECK (length(hash) = 32),
    -- A JSON object, as it was hashed.
    event    TEXT    NOT NULL,
    PRIMARY KEY (writer, sequence)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_records_at ON audit_records (at, writer, sequence);

-- Each chain that was begun, and the last record that retention took away from it.
CREATE TABLE audit_chains (
    writer        TEXT    NOT NULL PRIMARY KEY,
    cut_sequence  INTEGER,
    cut_hash      BLOB    CHECK (length(cut_hash) = 32),
    cut_at        INTEGER,
    cut_key       TEXT,
    cut_signature TEXT
) STRICT, WITHOUT ROWID;

-- Where a chain ended when its head was signed.
CREATE TABLE audit_heads (
    writer    TEXT    NOT NULL,
    sequence  INTEGER NOT NULL,
    hash      BLOB    NOT NULL CHECK (length(hash) = 32),
    at        INTEGER NOT NULL,
    key       TEXT,
    signature TEXT,
    PRIMARY KEY (writer, sequence)
) STRICT, WITHOUT ROWID;
