-- The rules that a request violated and that only reported it, a JSON list; NULL: the rules admitted it.
ALTER TABLE registrations ADD COLUMN let_through TEXT;
ALTER TABLE clients ADD COLUMN let_through TEXT;

-- Requests to register as they were parsed, without tokens and secrets. Kept for a bounded time and in a bounded number.
CREATE TABLE recorded_requests (
    at           INTEGER NOT NULL,
    id           TEXT    NOT NULL,
    registration TEXT,
    refused      INTEGER NOT NULL CHECK (refused IN (0, 1)),
    -- What was asked, by whom, and what was decided, as JSON.
    request      TEXT    NOT NULL,
    PRIMARY KEY (at, id)
) STRICT;

CREATE INDEX recorded_requests_by_id ON recorded_requests (id);
CREATE INDEX recorded_requests_by_registration ON recorded_requests (registration) WHERE registration IS NOT NULL;
