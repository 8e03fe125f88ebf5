-- How many ingestion warnings of each type were ever given; raised in the transaction that writes their rows.
CREATE TABLE warning_total
(
    connection INTEGER NOT NULL REFERENCES connection (number),
    partition  INTEGER NOT NULL,
    type       TEXT    NOT NULL,
    warnings   INTEGER NOT NULL,
    PRIMARY KEY (connection, partition, type)
) WITHOUT ROWID;

-- The ingestion warnings of the events that the ledger still knows, in the order they came.
CREATE TABLE warning
(
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    connection  INTEGER NOT NULL REFERENCES connection (number),
    type        TEXT    NOT NULL,
    uuid        BLOB    NOT NULL,
    received_at INTEGER NOT NULL,
    details     TEXT    NOT NULL
);
CREATE INDEX warning_connection ON warning (connection, id);
CREATE INDEX warning_type ON warning (connection, type, id);
