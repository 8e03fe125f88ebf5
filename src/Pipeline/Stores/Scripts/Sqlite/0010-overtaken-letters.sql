-- Of a dead letter that tells a state: whose, as a hash of the id that it names.
ALTER TABLE dead_letter ADD COLUMN entity INTEGER;
CREATE INDEX dead_letter_entity ON dead_letter (connection, entity) WHERE entity IS NOT NULL AND state <= 2;

-- What was delivered of entities that have such letters: hashes of names and values, each with the number of the newest
-- letter that it overtakes. It says which letters would put old values back.
CREATE TABLE told_state
(
    connection INTEGER NOT NULL REFERENCES connection (number),
    entity INTEGER NOT NULL,
    told BLOB NOT NULL,
    PRIMARY KEY (connection, entity)
) WITHOUT ROWID;

-- Whether an operator meant a replay although it puts old values back.
ALTER TABLE replay ADD COLUMN is_forced INTEGER NOT NULL DEFAULT 0;

-- Letters that were not sent because everything that they say was told anew. How the last message of an event left the
-- outbox: 0 not yet, 1 delivered or a letter, 2 coalesced, 3 skipped, 4 not sent in a dry run.
ALTER TABLE lettered_event ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;

-- When an operator stopped the job; what it had put back by then goes on. How many letters need not be sent any more.
ALTER TABLE dead_letter_job ADD COLUMN cancelled_at INTEGER;
ALTER TABLE dead_letter_job ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;

-- Until when a receiver wants to be left alone.
ALTER TABLE connection_state ADD COLUMN hold_until INTEGER;
