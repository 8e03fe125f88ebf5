-- Lanes of persons that became part of another person: nothing may be put into them any more.
CREATE TABLE closed_lane
(
    connection INTEGER NOT NULL REFERENCES connection (number),
    lane       INTEGER NOT NULL,
    closed_at  INTEGER NOT NULL,
    PRIMARY KEY (connection, lane)
) WITHOUT ROWID;
CREATE INDEX closed_lane_age ON closed_lane (closed_at);
