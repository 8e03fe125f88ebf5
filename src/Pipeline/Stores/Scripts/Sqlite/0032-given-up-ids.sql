-- Ids that were given up leave once their alias has left the outbox and no dead letter waits.
CREATE INDEX given_up_id_position ON given_up_id (connection, delivery_partition, position);
