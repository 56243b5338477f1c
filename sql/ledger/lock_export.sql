-- Purpose:     one export of a day at a time, so that its exact file, renditions and ledger rows are of one run; loads
--              of the day are not kept waiting.
-- Parameters:  account_id, business_date.
-- Locks:       advisory, until the end of the transaction; taken on the coordinator of a cluster.
SELECT pg_advisory_xact_lock(
    hashtextextended('cdr_pipeline.export:' || %(account_id)s || ':' || %(business_date)s::text, 0)
)
