-- Where the nodes of a cluster find each other; only PostgreSQL has more than one. Times are milliseconds since 1970, by the
-- server's clock; joined_at is null until the node is a member.
CREATE TABLE node
(
    address   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    seen_at   BIGINT NOT NULL,
    joined_at BIGINT
);
