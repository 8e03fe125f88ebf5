-- Of how many moves it is known how long those who moved had been in the stage that they left.
ALTER TABLE view_stage_day ADD COLUMN known INTEGER NOT NULL DEFAULT 0;
UPDATE view_stage_day SET known = moves;
