-- Purpose:     make an empty table the partition of a month; it gets the parent's key and indexes.
-- Parameters:  table, partition: names; first_day, end_day: the month's first day and the next one's.
-- Locks:       SHARE UPDATE EXCLUSIVE on the parent: loads and readers go on. CREATE TABLE ... PARTITION OF would
--              take ACCESS EXCLUSIVE, and two loads that have read the parent already would deadlock over it.
-- Idempotent:  no; the caller holds the lock on partitions and has seen that it is missing.
ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({first_day}) TO ({end_day})
