-- Purpose:     take numbers, names and documents from all erased records of an account, those that have come again in
--              another form included. Digests stay: the same record delivered again unmasks nothing.
-- Parameters:  account_id; table cdr or cdr_history; assignments, and the columns before and after.
-- Grain:       record.   Locks: the rows changed; the caller holds the account's advisory lock.   Idempotent: yes.
UPDATE {table} AS record SET
    {assignments}
WHERE
    account_id = %(account_id)s
    AND (origin, record_id) IN (
        SELECT
            erased.origin,
            erased.record_id
        FROM erased_records AS erased
        WHERE erased.account_id = %(account_id)s
    )
    AND ROW({before}) IS DISTINCT FROM ROW({after})
