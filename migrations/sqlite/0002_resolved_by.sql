-- The operator who found out what became of a registration whose outcome was unknown.
ALTER TABLE registrations ADD COLUMN resolved_by TEXT;
