-- Purpose:     link the warehouse to a data folder in place of the one before.
-- Parameters:  warehouse_id, now.   Grain: the one row.   Locks: the row.   Idempotent: yes.
INSERT INTO warehouse_identity (warehouse_id, linked_at)
VALUES (%(warehouse_id)s, %(now)s)
ON CONFLICT (only_row) DO UPDATE SET
    warehouse_id = excluded.warehouse_id,
    linked_at = excluded.linked_at
