-- Merges of accounts, and wishes to take one back, whose contacts are being told: written before the account records it, removed
-- when all are told. Touched while somebody is at it.
CREATE TABLE unfinished_account_merge
(
    connection INTEGER NOT NULL REFERENCES connection (number),
    account    TEXT    NOT NULL,
    call       BLOB    NOT NULL,
    touched_at INTEGER NOT NULL,
    PRIMARY KEY (connection, account, call)
) WITHOUT ROWID;
