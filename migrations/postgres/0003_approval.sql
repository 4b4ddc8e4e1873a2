-- What the record says and the authorization server may not have yet: since when, when it is tried again, how often it was, and
-- why it was not done. The record says what is to be; it holds no list of commands.
ALTER TABLE clients ADD COLUMN unsettled_since BIGINT;
ALTER TABLE clients ADD COLUMN settle_at BIGINT;
ALTER TABLE clients ADD COLUMN settle_attempts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN settle_error TEXT;
-- The server has other members (scopes, redirect URIs, …) than the record.
ALTER TABLE clients ADD COLUMN members_behind BIGINT NOT NULL DEFAULT 0 CHECK (members_behind IN (0, 1));
-- When somebody must look at it next: to settle it, or because nobody approved it in time.
ALTER TABLE clients ADD COLUMN due_at BIGINT;
-- Who approved it last, and the first of two approvals, as JSON.
ALTER TABLE clients ADD COLUMN approved TEXT;
ALTER TABLE clients ADD COLUMN first_approval TEXT;
-- The change its owner asked for and that waits for an approval, as JSON.
ALTER TABLE clients ADD COLUMN asked TEXT;

CREATE INDEX clients_due ON clients (due_at, client_id) WHERE due_at IS NOT NULL;
