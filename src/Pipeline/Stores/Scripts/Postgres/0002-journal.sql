-- The tables of Akka.Persistence.Sql, made here and not by it: its own have no key over person and sequence number, which is
-- what finds the facts of a person and what fences a second live copy of it.
CREATE SCHEMA IF NOT EXISTS journal;

CREATE TABLE journal.journal
(
    ordering        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created         BIGINT  NOT NULL,
    deleted         BOOLEAN NOT NULL,
    persistence_id  TEXT COLLATE "C" NOT NULL,
    sequence_number BIGINT  NOT NULL,
    message         BYTEA   NOT NULL,
    tags            TEXT,
    manifest        TEXT,
    identifier      INTEGER,
    writer_uuid     TEXT,
    UNIQUE (persistence_id, sequence_number)
);

CREATE TABLE journal.snapshot
(
    persistence_id  TEXT COLLATE "C" NOT NULL,
    sequence_number BIGINT NOT NULL,
    created         BIGINT NOT NULL,
    snapshot        BYTEA,
    manifest        TEXT,
    serializer_id   INTEGER,
    PRIMARY KEY (persistence_id, sequence_number)
);
