-- What begins a word of a contact (kind 1) or an account (kind 2), one to three characters long, in the order of names: a search
-- that many match walks it when it is sorted by name. Walking all names for it would look at everybody.
CREATE TABLE view_prefix
(
    connection INTEGER NOT NULL,
    kind       INTEGER NOT NULL,
    prefix     TEXT NOT NULL,
    sort_name  TEXT NOT NULL,
    number     INTEGER NOT NULL,
    PRIMARY KEY (connection, kind, prefix, sort_name, number)
) WITHOUT ROWID;
INSERT INTO view_prefix (connection, kind, prefix, sort_name, number)
SELECT DISTINCT t.connection, t.kind, substr(t.term, 1, l.chars), c.sort_name, t.number
FROM view_term t
JOIN (SELECT 1 AS chars UNION ALL SELECT 2 UNION ALL SELECT 3) l ON l.chars <= length(t.term)
JOIN view_contact c ON c.number = t.number
WHERE t.kind = 1
UNION ALL
SELECT DISTINCT t.connection, t.kind, substr(t.term, 1, l.chars), a.sort_name, t.number
FROM view_term t
JOIN (SELECT 1 AS chars UNION ALL SELECT 2 UNION ALL SELECT 3) l ON l.chars <= length(t.term)
JOIN view_account a ON a.number = t.number
WHERE t.kind = 2;
