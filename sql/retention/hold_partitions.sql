-- Purpose:     keep partitions from being dropped between the look for them and the rows that go into them.
-- Parameters:  none.   Locks: advisory, shared, until the end of the transaction; on the coordinator of a cluster.
SELECT pg_advisory_xact_lock_shared(7230114226003)
