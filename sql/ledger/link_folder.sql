-- Purpose:     link a warehouse that has no data folder yet to one; a link that is there stays.
-- Parameters:  warehouse_id, now.   Grain: the one row.   Locks: the row.   Idempotent: yes.
INSERT INTO warehouse_identity (warehouse_id, linked_at)
VALUES (%(warehouse_id)s, %(now)s)
ON CONFLICT (only_row) DO NOTHING
