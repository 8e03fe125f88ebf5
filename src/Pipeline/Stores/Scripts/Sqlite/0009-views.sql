-- What the views are made from: written with the outbox rows, in the same transaction, in positions of their own, because
-- events that send nothing count here too. Kept as long as the outbox.
CREATE TABLE view_feed
(
    connection         INTEGER NOT NULL REFERENCES connection (number),
    delivery_partition INTEGER NOT NULL,
    first_position     INTEGER NOT NULL,
    entry_count        INTEGER NOT NULL,
    created_at         INTEGER NOT NULL,
    payload            BLOB    NOT NULL,
    PRIMARY KEY (connection, delivery_partition, first_position)
);

-- The next position of each partition of the feed.
CREATE TABLE view_feed_partition
(
    connection         INTEGER NOT NULL REFERENCES connection (number),
    delivery_partition INTEGER NOT NULL,
    next_position      INTEGER NOT NULL,
    PRIMARY KEY (connection, delivery_partition)
) WITHOUT ROWID;

-- Up to where the feed is folded into the tables below; moved in the same transaction. It only ever moves from where its
-- owner left it, which fences a second live copy of the owner.
CREATE TABLE view_progress
(
    connection         INTEGER NOT NULL REFERENCES connection (number),
    delivery_partition INTEGER NOT NULL,
    position           INTEGER NOT NULL,
    PRIMARY KEY (connection, delivery_partition)
) WITHOUT ROWID;

-- One row for each connection, changed first in every transaction on its views: they come one after the other.
CREATE TABLE view_turn
(
    connection INTEGER NOT NULL PRIMARY KEY REFERENCES connection (number),
    turn       INTEGER NOT NULL
);

-- Who has a distinct id, by which version of the person; null: nobody yet. What is counted hangs on the id and follows it
-- through merges and splits. Times are milliseconds since 1970.
CREATE TABLE view_id
(
    number      INTEGER NOT NULL PRIMARY KEY,
    connection  INTEGER NOT NULL REFERENCES connection (number),
    distinct_id TEXT    NOT NULL,
    person      BLOB,
    version     INTEGER NOT NULL,
    events      INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL
);
CREATE UNIQUE INDEX view_id_text ON view_id (connection, distinct_id);
CREATE INDEX view_id_person ON view_id (connection, person, distinct_id);

-- Accounts. Version 0: only named by events, not told of by itself.
CREATE TABLE view_account
(
    number      INTEGER NOT NULL PRIMARY KEY,
    connection  INTEGER NOT NULL REFERENCES connection (number),
    id          TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    name        TEXT,
    sort_name   TEXT    NOT NULL,
    stage       TEXT    NOT NULL,
    stage_since INTEGER NOT NULL,
    stage_rule  TEXT    NOT NULL,
    stage_by    TEXT,
    merged_into TEXT,
    domains     TEXT    NOT NULL,
    contacts    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    properties  TEXT    NOT NULL
);
CREATE UNIQUE INDEX view_account_id ON view_account (connection, id);
CREATE INDEX view_account_seen ON view_account (connection, last_seen, number);
CREATE INDEX view_account_name ON view_account (connection, sort_name, number);
CREATE INDEX view_account_created ON view_account (connection, created_at, number);
CREATE INDEX view_account_stage ON view_account (connection, stage, last_seen, number);
CREATE INDEX view_account_merged ON view_account (connection, merged_into) WHERE merged_into IS NOT NULL;

-- Contacts: the persons who are identified.
CREATE TABLE view_contact
(
    number      INTEGER NOT NULL PRIMARY KEY,
    connection  INTEGER NOT NULL REFERENCES connection (number),
    person      BLOB    NOT NULL,
    version     INTEGER NOT NULL,
    user_id     TEXT    NOT NULL,
    name        TEXT,
    sort_name   TEXT    NOT NULL,
    email       TEXT,
    domain      TEXT    NOT NULL,
    account     INTEGER NOT NULL,
    rule        INTEGER NOT NULL,
    rule_value  TEXT    NOT NULL,
    stage       TEXT    NOT NULL,
    stage_since INTEGER NOT NULL,
    stage_rule  TEXT    NOT NULL,
    stage_by    TEXT,
    created_at  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    properties  TEXT    NOT NULL
);
CREATE UNIQUE INDEX view_contact_person ON view_contact (connection, person);
-- Lists walk these; what they filter by stands in them, so that rows that do not match are never read.
CREATE INDEX view_contact_seen ON view_contact (connection, last_seen, number, stage, account, domain);
CREATE INDEX view_contact_name ON view_contact (connection, sort_name, number, stage, account, domain);
CREATE INDEX view_contact_created ON view_contact (connection, created_at, number, stage, account, domain);
CREATE INDEX view_contact_stage ON view_contact (connection, stage, last_seen, number);
CREATE INDEX view_contact_account ON view_contact (connection, account, last_seen, number);
CREATE INDEX view_contact_domain ON view_contact (connection, domain, last_seen, number);

-- The words that find a contact (kind 1) or an account (kind 2), and the domains of an account (kind 3).
CREATE TABLE view_term
(
    connection INTEGER NOT NULL REFERENCES connection (number),
    kind       INTEGER NOT NULL,
    term       TEXT    NOT NULL,
    number     INTEGER NOT NULL,
    PRIMARY KEY (connection, kind, term, number)
) WITHOUT ROWID;
CREATE INDEX view_term_number ON view_term (connection, kind, number);

-- To which account a person belonged from a time on: one row a move, in the order of the person's versions. Account null:
-- none any more.
CREATE TABLE view_membership
(
    connection INTEGER NOT NULL REFERENCES connection (number),
    person     BLOB    NOT NULL,
    version    INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    account    INTEGER,
    rule       INTEGER NOT NULL,
    rule_value TEXT    NOT NULL,
    PRIMARY KEY (connection, person, version)
) WITHOUT ROWID;
CREATE INDEX view_membership_account ON view_membership (account, person, at);

-- Moves between stages. Subject: a person's uuid, or the number of an account with its connection.
CREATE TABLE view_contact_move
(
    connection INTEGER NOT NULL REFERENCES connection (number),
    person     BLOB    NOT NULL,
    version    INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    from_stage TEXT    NOT NULL,
    to_stage   TEXT    NOT NULL,
    rule       TEXT    NOT NULL,
    moved_by   TEXT,
    PRIMARY KEY (connection, person, version)
) WITHOUT ROWID;
CREATE TABLE view_account_move
(
    account    INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    from_stage TEXT    NOT NULL,
    to_stage   TEXT    NOT NULL,
    rule       TEXT    NOT NULL,
    moved_by   TEXT,
    PRIMARY KEY (account, version)
) WITHOUT ROWID;

-- Moves by day (days since 1970, UTC), and how long those who moved had been in the stage that they left, in milliseconds.
-- Kind: 1 contacts, 2 accounts.
CREATE TABLE view_stage_day
(
    connection INTEGER NOT NULL REFERENCES connection (number),
    kind       INTEGER NOT NULL,
    day        INTEGER NOT NULL,
    from_stage TEXT    NOT NULL,
    to_stage   TEXT    NOT NULL,
    moves      INTEGER NOT NULL,
    stayed     INTEGER NOT NULL,
    PRIMARY KEY (connection, kind, day, from_stage, to_stage)
) WITHOUT ROWID;

-- How many are in a stage now.
CREATE TABLE view_stage_total
(
    connection INTEGER NOT NULL REFERENCES connection (number),
    kind       INTEGER NOT NULL,
    stage      TEXT    NOT NULL,
    members    INTEGER NOT NULL,
    PRIMARY KEY (connection, kind, stage)
) WITHOUT ROWID;

-- How often an event came through an id on a day, while its person belonged to an account (0: to none).
CREATE TABLE view_activity
(
    id      INTEGER NOT NULL,
    day     INTEGER NOT NULL,
    event   TEXT    NOT NULL,
    account INTEGER NOT NULL,
    events  INTEGER NOT NULL,
    PRIMARY KEY (id, day, event, account)
) WITHOUT ROWID;
CREATE INDEX view_activity_account ON view_activity (account, day, id);
CREATE INDEX view_activity_day ON view_activity (day);

-- The same by account.
CREATE TABLE view_account_day
(
    account INTEGER NOT NULL,
    day     INTEGER NOT NULL,
    event   TEXT    NOT NULL,
    events  INTEGER NOT NULL,
    PRIMARY KEY (account, day, event)
) WITHOUT ROWID;
CREATE INDEX view_account_day_day ON view_account_day (day);

-- The last events of each id: slot is the number of the event among those of its id, modulo how many are kept.
CREATE TABLE view_event
(
    id    INTEGER NOT NULL,
    slot  INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    uuid  BLOB    NOT NULL,
    event TEXT    NOT NULL,
    PRIMARY KEY (id, slot)
) WITHOUT ROWID;

-- When the stage of a contact must be looked at again because an event leaves a window.
CREATE TABLE view_due
(
    connection  INTEGER NOT NULL REFERENCES connection (number),
    person      BLOB    NOT NULL,
    due_at      INTEGER NOT NULL,
    distinct_id TEXT    NOT NULL,
    PRIMARY KEY (connection, person)
) WITHOUT ROWID;
CREATE INDEX view_due_at ON view_due (connection, due_at);

-- Up to which fact the feed holds what an account is; moved in the transaction that adds it.
ALTER TABLE account_sent ADD COLUMN facts INTEGER NOT NULL DEFAULT 0;
