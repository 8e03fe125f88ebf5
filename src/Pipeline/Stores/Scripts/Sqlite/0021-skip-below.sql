-- By delivery partition, the next position when an operator resumed the connection without some of what waited, with blanks between;
-- null: with everything, or before it was kept.
ALTER TABLE connection_state ADD COLUMN skip_below TEXT;
