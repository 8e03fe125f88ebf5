-- Of a dead letter that tells a state: whose (a hash of the ids that it names), and whether a newer state of the same
-- contact or account was delivered since, which a replay would put out of date.
ALTER TABLE dead_letter ADD COLUMN entity BIGINT;
ALTER TABLE dead_letter ADD COLUMN is_overtaken BIGINT NOT NULL DEFAULT 0;
CREATE INDEX dead_letter_entity ON dead_letter (connection, entity) WHERE entity IS NOT NULL AND state <= 2;

-- When an operator stopped the job; what it had put back by then goes on.
ALTER TABLE dead_letter_job ADD COLUMN cancelled_at BIGINT;
