-- How often the state of a connection's gate was written: whoever has not read the last one writes nothing.
ALTER TABLE connection_state ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
