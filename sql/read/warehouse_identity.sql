-- Purpose:     the id that the warehouse shares with its data folder.
-- Parameters:  none.   Grain: at most one row.   Locks: none.
SELECT warehouse_id
FROM warehouse_identity
