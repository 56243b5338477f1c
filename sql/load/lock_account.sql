-- Purpose:     one merge at a time per account: MERGE raises unique_violation when two insert the same key at once.
-- Parameters:  account_id.
-- Locks:       advisory, until the end of the transaction; taken on the coordinator of a cluster.
SELECT pg_advisory_xact_lock(hashtextextended('cdr_pipeline.merge:' || %(account_id)s, 0))
