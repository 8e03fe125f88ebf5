-- Lanes whose first message failed and is tried again at a time of its own. Times are milliseconds since 1970, the delay in
-- milliseconds; fails_alone_since is set while other messages of the connection get through.
CREATE TABLE held_lane
(
    connection         INTEGER NOT NULL REFERENCES connection (number),
    delivery_partition INTEGER NOT NULL,
    lane               INTEGER NOT NULL,
    attempts           INTEGER NOT NULL,
    first_attempt_at   INTEGER NOT NULL,
    last_attempt_at    INTEGER NOT NULL,
    fails_alone_since  INTEGER,
    delay              INTEGER NOT NULL,
    next_attempt_at    INTEGER NOT NULL,
    PRIMARY KEY (connection, delivery_partition, lane)
) WITHOUT ROWID;

-- Messages that the progress has passed because their lane waits. They have no outcome yet.
CREATE TABLE held_message
(
    connection         INTEGER NOT NULL REFERENCES connection (number),
    delivery_partition INTEGER NOT NULL,
    lane               INTEGER NOT NULL,
    position           INTEGER NOT NULL,
    PRIMARY KEY (connection, delivery_partition, lane, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX held_message_position ON held_message (connection, delivery_partition, position);

-- Messages that were not sent although they might have been: 1 coalesced into a newer snapshot, 2 skipped by an operator.
CREATE TABLE unsent_message
(
    connection         INTEGER NOT NULL REFERENCES connection (number),
    delivery_partition INTEGER NOT NULL,
    position           INTEGER NOT NULL,
    reason             INTEGER NOT NULL,
    PRIMARY KEY (connection, delivery_partition, position)
) WITHOUT ROWID;

-- How many events ended because their last message was not sent.
ALTER TABLE delivery ADD COLUMN coalesced INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;

-- What the gate of a connection must know after a restart: whether it delivers, what was skipped, the rate set by hand.
CREATE TABLE connection_state
(
    connection     INTEGER NOT NULL PRIMARY KEY REFERENCES connection (number),
    mode           INTEGER NOT NULL,
    reason         TEXT    NOT NULL,
    since          INTEGER NOT NULL,
    probe_delay    INTEGER NOT NULL,
    probe_at       INTEGER,
    skip_mode      INTEGER NOT NULL,
    skip_before    INTEGER NOT NULL,
    rate_set       INTEGER NOT NULL,
    per_second     INTEGER NOT NULL,
    burst          INTEGER NOT NULL,
    configured_per_second INTEGER NOT NULL,
    configured_burst      INTEGER NOT NULL
);
