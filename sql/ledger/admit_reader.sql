-- Purpose:     make the reading role where this user may, and let it read every isolated table.
-- Parameters:  none.   Grain: one row: whether the role is ready.   Locks: the tables' catalogue rows.   Idempotent: yes.
SELECT cdr_admit_reader() AS admitted
