-- Up to which version the outbox holds what an account tells Variance; moved in the transaction that adds the messages.
CREATE TABLE account_sent
(
    connection INTEGER NOT NULL REFERENCES connection (number),
    account    TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    PRIMARY KEY (connection, account)
) WITHOUT ROWID;
