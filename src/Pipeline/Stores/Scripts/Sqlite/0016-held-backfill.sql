-- Whether a held message is backfill: after a restart, too, it gives way to live traffic.
ALTER TABLE held_message ADD COLUMN backfill INTEGER NOT NULL DEFAULT 0;
