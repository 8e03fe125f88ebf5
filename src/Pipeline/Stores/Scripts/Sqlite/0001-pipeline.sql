-- Facts fixed at the first start, such as the number of partitions.
CREATE TABLE setting
(
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- A small number for each connection id, so that big tables do not repeat its text.
CREATE TABLE connection
(
    number INTEGER NOT NULL PRIMARY KEY,
    id     TEXT    NOT NULL UNIQUE
);

-- The next offset of each partition; its row lock makes offsets gapless and their order the commit order.
CREATE TABLE inbox_partition
(
    partition   INTEGER NOT NULL PRIMARY KEY,
    next_offset INTEGER NOT NULL
);

-- One row holds the events of one connection that one commit put into one partition.
CREATE TABLE inbox
(
    partition    INTEGER NOT NULL,
    first_offset INTEGER NOT NULL,
    connection   INTEGER NOT NULL REFERENCES connection (number),
    event_count  INTEGER NOT NULL,
    payload      BLOB    NOT NULL,
    PRIMARY KEY (partition, first_offset)
);

-- How many events were ever accepted; raised in the transaction that puts them into the inbox.
CREATE TABLE accepted_total
(
    connection INTEGER NOT NULL REFERENCES connection (number),
    partition  INTEGER NOT NULL,
    accepted   INTEGER NOT NULL,
    PRIMARY KEY (connection, partition)
) WITHOUT ROWID;

-- Which offsets of a partition are decided: a watermark and the decided offsets above it.
-- The version fences a second live copy of the partition's actor.
CREATE TABLE ingest_progress
(
    partition INTEGER NOT NULL PRIMARY KEY,
    version   INTEGER NOT NULL,
    progress  BLOB    NOT NULL
);

-- One insert-only row for each accepted event that is no repeat.
CREATE TABLE ledger
(
    id                 INTEGER NOT NULL PRIMARY KEY,
    connection         INTEGER NOT NULL REFERENCES connection (number),
    uuid               BLOB    NOT NULL,
    fingerprint        INTEGER NOT NULL,
    partition          INTEGER NOT NULL,
    event_offset       INTEGER NOT NULL,
    door               INTEGER NOT NULL,
    received_at        INTEGER NOT NULL,
    decision           INTEGER NOT NULL,
    reason             TEXT    NOT NULL,
    delivery_partition INTEGER,
    first_position     INTEGER,
    message_count      INTEGER NOT NULL,
    warnings           TEXT
);
CREATE UNIQUE INDEX ledger_event ON ledger (connection, uuid, fingerprint);

-- How many events were decided in which way; raised in the transaction that writes their ledger rows.
CREATE TABLE decided_total
(
    connection INTEGER NOT NULL REFERENCES connection (number),
    partition  INTEGER NOT NULL,
    decision   INTEGER NOT NULL,
    events     INTEGER NOT NULL,
    PRIMARY KEY (connection, partition, decision)
) WITHOUT ROWID;

-- The next position of each delivery partition.
CREATE TABLE outbox_partition
(
    connection         INTEGER NOT NULL REFERENCES connection (number),
    delivery_partition INTEGER NOT NULL,
    next_position      INTEGER NOT NULL,
    PRIMARY KEY (connection, delivery_partition)
) WITHOUT ROWID;

-- One row holds the messages that one commit put into one delivery partition.
CREATE TABLE outbox
(
    connection         INTEGER NOT NULL REFERENCES connection (number),
    delivery_partition INTEGER NOT NULL,
    first_position     INTEGER NOT NULL,
    message_count      INTEGER NOT NULL,
    created_at         INTEGER NOT NULL,
    payload            BLOB    NOT NULL,
    PRIMARY KEY (connection, delivery_partition, first_position)
);

-- Which positions have an outcome, and how many events ended in which way.
-- The version fences a second live copy of the slice's actor.
CREATE TABLE delivery
(
    connection         INTEGER NOT NULL REFERENCES connection (number),
    delivery_partition INTEGER NOT NULL,
    version            INTEGER NOT NULL,
    progress           BLOB    NOT NULL,
    delivered          INTEGER NOT NULL,
    dead               INTEGER NOT NULL,
    suppressed         INTEGER NOT NULL,
    PRIMARY KEY (connection, delivery_partition)
);

-- Messages that could not be delivered, whole.
CREATE TABLE dead_letter
(
    id                 INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    connection         INTEGER NOT NULL REFERENCES connection (number),
    delivery_partition INTEGER NOT NULL,
    position           INTEGER NOT NULL,
    uuid               BLOB    NOT NULL,
    fingerprint        INTEGER NOT NULL,
    kind               INTEGER NOT NULL,
    message_id         TEXT    NOT NULL,
    body               BLOB    NOT NULL,
    reason             TEXT    NOT NULL,
    status             INTEGER,
    response           BLOB,
    attempts           INTEGER NOT NULL,
    first_attempt_at   INTEGER NOT NULL,
    last_attempt_at    INTEGER NOT NULL,
    UNIQUE (connection, delivery_partition, position)
);
CREATE INDEX dead_letter_event ON dead_letter (connection, uuid);

-- Events with a dead letter whose last message still waits: they count as dead, not as delivered, when it leaves.
CREATE TABLE dead_event
(
    connection         INTEGER NOT NULL REFERENCES connection (number),
    delivery_partition INTEGER NOT NULL,
    uuid               BLOB    NOT NULL,
    fingerprint        INTEGER NOT NULL,
    PRIMARY KEY (connection, delivery_partition, uuid, fingerprint)
) WITHOUT ROWID;
