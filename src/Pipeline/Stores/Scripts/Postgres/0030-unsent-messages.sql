-- When a message was marked as not sent: the mark stays as long as the ledger tells of its event. No row is written anew for it.
ALTER TABLE unsent_message ADD COLUMN at BIGINT NOT NULL DEFAULT (CAST(extract(epoch FROM now()) * 1000 AS BIGINT));
