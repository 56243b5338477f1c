-- Purpose:     take names, documents and the last four digits of numbers from the records of some days. Digests stay:
--              the same record delivered again is known as such and unmasks nothing.
-- Parameters:  account_id, dates (array); table cdr or cdr_history; assignments, and the columns before and after.
-- Grain:       record.   Locks: the rows changed; the caller holds the account's advisory lock.   Idempotent: yes.
UPDATE {table} SET
    {assignments}
WHERE
    account_id = %(account_id)s
    AND business_date = any(%(dates)s::date [])
    AND ROW({before}) IS DISTINCT FROM ROW({after})
