-- Purpose:     note who had a number erased in an account's records, why, and how many records that were.
-- Parameters:  account_id, erasure_id, actor, reason, rejects, now.   Grain: erasure_id.   Locks: the row.
-- Idempotent:  no; each request that found something is one.
INSERT INTO erasures (account_id, erasure_id, actor, reason, records, rejects, erased_at)
SELECT
    %(account_id)s,
    %(erasure_id)s,
    %(actor)s,
    %(reason)s,
    count(DISTINCT (origin, record_id)),
    %(rejects)s,
    %(now)s
FROM erased_records
WHERE account_id = %(account_id)s AND erasure_id = %(erasure_id)s
HAVING count(*) > 0 OR %(rejects)s > 0
RETURNING records
