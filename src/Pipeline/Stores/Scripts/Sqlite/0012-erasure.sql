-- Ids of erased persons as salted hashes. Level 1: nothing is sent for them; 2: what comes for them is not learnt either; 3: the
-- home of the id has no history any more and must not begin another one. The version is that of the change that put the row here.
CREATE TABLE erased_id
(
    connection INTEGER NOT NULL REFERENCES connection (number),
    hash       BLOB    NOT NULL,
    version    INTEGER NOT NULL,
    level      INTEGER NOT NULL,
    erased_at  INTEGER NOT NULL,
    PRIMARY KEY (connection, hash)
) WITHOUT ROWID;
CREATE INDEX erased_id_version ON erased_id (version);

-- One row: the number of the last change of the table above, and of the last one that took a row away.
CREATE TABLE erased_version
(
    id      INTEGER NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    lifted  INTEGER NOT NULL
);
INSERT INTO erased_version (id, version, lifted) VALUES (1, 0, 0);

-- Erasures, and how far each is. The work names the ids until it is done; then only the counts stay.
CREATE TABLE erasure
(
    number      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    connection  INTEGER NOT NULL REFERENCES connection (number),
    phase       INTEGER NOT NULL,
    work        TEXT,
    created_at  INTEGER NOT NULL,
    touched_at  INTEGER NOT NULL,
    finished_at INTEGER,
    ids         INTEGER NOT NULL,
    messages    INTEGER NOT NULL,
    unsent      INTEGER NOT NULL,
    letters     INTEGER NOT NULL,
    warnings    INTEGER NOT NULL,
    facts       INTEGER NOT NULL,
    accounts    INTEGER NOT NULL,
    routes      INTEGER NOT NULL
);
CREATE INDEX erasure_unfinished ON erasure (number) WHERE finished_at IS NULL;
