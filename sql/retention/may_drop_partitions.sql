-- Purpose:     whether no load is under way; none begins to merge until the transaction ends.
-- Parameters:  none.   Grain: one row.   Locks: advisory, until the end of the transaction.
SELECT pg_try_advisory_xact_lock(7230114226003) AS quiet
