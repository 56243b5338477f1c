-- Purpose:     drop a month's partition that is empty for everybody.
-- Parameters:  partition: its name.
-- Locks:       ACCESS EXCLUSIVE on it and its parent, for a moment; readers and loads wait.   Idempotent: yes.
DROP TABLE IF EXISTS {partition}
