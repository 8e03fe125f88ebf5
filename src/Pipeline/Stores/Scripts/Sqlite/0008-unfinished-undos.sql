-- Merges that are being taken back: written before the root records the split, removed with the correcting messages.
CREATE TABLE unfinished_undo
(
    connection  INTEGER NOT NULL REFERENCES connection (number),
    merge_event BLOB    NOT NULL,
    distinct_id TEXT    NOT NULL,
    since       INTEGER NOT NULL,
    PRIMARY KEY (connection, merge_event, distinct_id)
) WITHOUT ROWID;
