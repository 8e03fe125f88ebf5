-- When a message was marked as not sent: the mark stays as long as the ledger tells of its event.
ALTER TABLE unsent_message ADD COLUMN at BIGINT NOT NULL DEFAULT 0;
UPDATE unsent_message SET at = CAST(extract(epoch FROM now()) AS BIGINT) * 1000;
