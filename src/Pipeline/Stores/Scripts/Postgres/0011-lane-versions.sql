-- The newest state of a person that the outbox has, as the number of facts it was made of: of two answers that come through
-- two of its ids, the older one must not enter the outbox behind the newer one.
CREATE TABLE lane_version
(
    connection BIGINT NOT NULL,
    lane BIGINT NOT NULL,
    version BIGINT NOT NULL,
    told_at BIGINT NOT NULL,
    PRIMARY KEY (connection, lane)
);
CREATE INDEX lane_version_age ON lane_version (told_at);
