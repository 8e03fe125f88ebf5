-- Under which id an event was captured, and its name; null in rows of before, and once its person is erased.
ALTER TABLE ledger ADD COLUMN distinct_id TEXT;
ALTER TABLE ledger ADD COLUMN event TEXT;

-- An erasure goes through the ledger between the warnings and the accounts.
UPDATE erasure SET phase = phase + 1 WHERE phase > 5;
