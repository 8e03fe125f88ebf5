-- When a message was marked as not sent: the mark stays as long as the ledger tells of its event.
ALTER TABLE unsent_message ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
UPDATE unsent_message SET at = CAST(strftime('%s', 'now') AS INTEGER) * 1000;
