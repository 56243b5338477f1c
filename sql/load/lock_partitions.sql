-- Purpose:     one process at a time adds partitions; the others then find them made.
-- Parameters:  none.   Locks: advisory, until the end of the transaction; on the coordinator of a cluster.
SELECT pg_advisory_xact_lock(7230114226002)
