-- Merges of accounts, and wishes to take one back, whose contacts are being told: written before the account records it, removed
-- when all are told. Touched while somebody is at it.
CREATE TABLE unfinished_account_merge
(
    connection BIGINT NOT NULL,
    account    TEXT COLLATE "C" NOT NULL,
    call       BYTEA NOT NULL,
    touched_at BIGINT NOT NULL,
    PRIMARY KEY (connection, account, call)
);
