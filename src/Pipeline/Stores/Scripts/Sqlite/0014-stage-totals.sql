-- Accounts that another one speaks for are in no stage's count.
DELETE FROM view_stage_total WHERE kind = 2;
INSERT INTO view_stage_total (connection, kind, stage, members)
SELECT connection, 2, stage, count(*) FROM view_account WHERE version > 0 AND merged_into IS NULL GROUP BY connection, stage;
