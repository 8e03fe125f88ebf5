-- Homes that have a merge under way: written before the home begins one, removed once it has come to rest.
-- The mark orders the rows of one home, so that a late removal does not take a newer row away.
CREATE TABLE unfinished_merge
(
    connection  INTEGER NOT NULL REFERENCES connection (number),
    distinct_id TEXT    NOT NULL,
    mark        INTEGER NOT NULL,
    since       INTEGER NOT NULL,
    PRIMARY KEY (connection, distinct_id)
) WITHOUT ROWID;
