-- How far the events of the server that tell of uses were read, and when one of the replicas began to read them last. No row: never.
CREATE TABLE use_reading (
    id       BIGINT  NOT NULL PRIMARY KEY CHECK (id = 1),
    begun_at BIGINT NOT NULL,
    read_to  BIGINT
);
