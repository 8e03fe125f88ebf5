-- Every attempt to deliver a message that the outbox still holds; the reason is null where the status says it all.
CREATE TABLE attempt
(
    connection         INTEGER NOT NULL,
    delivery_partition INTEGER NOT NULL,
    position           INTEGER NOT NULL,
    number             INTEGER NOT NULL,
    at                 INTEGER NOT NULL,
    latency            INTEGER NOT NULL,
    status             INTEGER,
    reason             TEXT,
    response           BLOB,
    PRIMARY KEY (connection, delivery_partition, position, number)
) WITHOUT ROWID;

-- What keeps failing: failed attempts by the hour and the reason.
CREATE TABLE delivery_error
(
    connection INTEGER NOT NULL REFERENCES connection (number),
    hour       INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    PRIMARY KEY (connection, hour, reason)
) WITHOUT ROWID;

-- A dead letter keeps its number through replays. State: 1 dead, 2 replaying, 3 delivered, 4 discarded, 5 superseded.
-- The lane is the one that its person has now. The note says why a replay was refused, or why it was discarded.
ALTER TABLE dead_letter ADD COLUMN state INTEGER NOT NULL DEFAULT 1;
ALTER TABLE dead_letter ADD COLUMN lane INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead_letter ADD COLUMN accepted_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead_letter ADD COLUMN is_correction INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead_letter ADD COLUMN event TEXT;
ALTER TABLE dead_letter ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead_letter ADD COLUMN note TEXT;
UPDATE dead_letter
SET lane = delivery_partition, accepted_at = first_attempt_at, changed_at = last_attempt_at,
    is_correction = CASE fingerprint WHEN 0 THEN 1 ELSE 0 END;
CREATE INDEX dead_letter_state ON dead_letter (connection, state, id);
CREATE INDEX dead_letter_lane ON dead_letter (connection, lane);
CREATE INDEX dead_letter_age ON dead_letter (changed_at) WHERE state > 2;

-- Where a dead letter lies in the outbox when it is sent again; its attempts there are part of its story.
CREATE TABLE replay
(
    connection         INTEGER NOT NULL,
    delivery_partition INTEGER NOT NULL,
    position           INTEGER NOT NULL,
    letter             INTEGER NOT NULL REFERENCES dead_letter (id) ON DELETE CASCADE,
    at                 INTEGER NOT NULL,
    job                INTEGER,
    PRIMARY KEY (connection, delivery_partition, position)
) WITHOUT ROWID;
CREATE INDEX replay_letter ON replay (letter);

-- Replaying or discarding many dead letters: how far it is. A step and its effects are one transaction.
CREATE TABLE dead_letter_job
(
    id            INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    connection    INTEGER NOT NULL REFERENCES connection (number),
    kind          INTEGER NOT NULL,
    filter        TEXT    NOT NULL,
    force         INTEGER NOT NULL,
    note          TEXT,
    created_at    INTEGER NOT NULL,
    finished_at   INTEGER,
    last_letter   INTEGER NOT NULL,
    cursor        INTEGER NOT NULL,
    total         INTEGER NOT NULL,
    done          INTEGER NOT NULL,
    refused       INTEGER NOT NULL,
    delivered     INTEGER NOT NULL,
    dead          INTEGER NOT NULL
);

-- Events with dead letters whose books are not closed yet: how many of their letters are in which state, and whether
-- their last message has left the outbox.
CREATE TABLE lettered_event
(
    connection         INTEGER NOT NULL REFERENCES connection (number),
    delivery_partition INTEGER NOT NULL,
    uuid               BLOB    NOT NULL,
    fingerprint        INTEGER NOT NULL,
    dead               INTEGER NOT NULL,
    replaying          INTEGER NOT NULL,
    discarded          INTEGER NOT NULL,
    closed             INTEGER NOT NULL,
    PRIMARY KEY (connection, delivery_partition, uuid, fingerprint)
) WITHOUT ROWID;
INSERT INTO lettered_event
SELECT l.connection, l.delivery_partition, l.uuid, l.fingerprint, count(*), 0, 0,
    NOT EXISTS (
        SELECT 1 FROM dead_event e
        WHERE e.connection = l.connection AND e.delivery_partition = l.delivery_partition
        AND e.uuid = l.uuid AND e.fingerprint = l.fingerprint)
FROM dead_letter l WHERE l.is_correction = 0
GROUP BY l.connection, l.delivery_partition, l.uuid, l.fingerprint;
DROP TABLE dead_event;

-- Counts that the books are checked against: events that entered the outbox, and events whose last message left it.
ALTER TABLE outbox_partition ADD COLUMN events INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN discarded INTEGER NOT NULL DEFAULT 0;
UPDATE outbox_partition SET events = (
    SELECT coalesce(sum(t.events), 0) FROM decided_total t
    WHERE t.connection = outbox_partition.connection AND t.decision = 1)
WHERE delivery_partition = (
    SELECT min(o.delivery_partition) FROM outbox_partition o WHERE o.connection = outbox_partition.connection);
UPDATE delivery SET closed = delivered + suppressed + (
    SELECT count(*) FROM lettered_event e
    WHERE e.connection = delivery.connection AND e.delivery_partition = delivery.delivery_partition AND e.closed = 1);

-- Into which lane a closed lane's person went, so that what is late follows it.
ALTER TABLE closed_lane ADD COLUMN into_lane INTEGER NOT NULL DEFAULT 0;
UPDATE closed_lane SET into_lane = lane;
CREATE INDEX closed_lane_into ON closed_lane (connection, into_lane);

-- Ids (their hashes) that were given up by an alias, and where that alias lies in the outbox: once it is delivered,
-- nothing may be sent that would make a contact of the id again.
CREATE TABLE given_up_id
(
    connection         INTEGER NOT NULL REFERENCES connection (number),
    id                 INTEGER NOT NULL,
    delivery_partition INTEGER NOT NULL,
    position           INTEGER NOT NULL,
    PRIMARY KEY (connection, id)
) WITHOUT ROWID;
