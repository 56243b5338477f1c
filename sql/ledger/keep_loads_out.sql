-- Purpose:     whether no load of the account runs; none begins until the transaction ends. Those who seal other days
--              of the account are not in the way. The lock is that of load/lock_account.
-- Parameters:  account_id.   Grain: one row.   Locks: advisory, shared, until the end of the transaction.
SELECT pg_try_advisory_xact_lock_shared(hashtextextended('cdr_pipeline.merge:' || %(account_id)s, 0)) AS quiet
