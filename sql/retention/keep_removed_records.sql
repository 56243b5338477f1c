-- Purpose:     remember the records that are removed with a month's legs though their own day is in another month.
-- Parameters:  account_id, first_day, end_day.   Grain: record.
-- Locks:       the rows written; the caller holds the account's advisory lock.   Idempotent: yes.
INSERT INTO removed_records (account_id, origin, record_id, business_date, month)
SELECT
    account_id,
    origin,
    record_id,
    business_date,
    %(first_day)s
FROM cdr_places
WHERE
    account_id = %(account_id)s
    AND leg_date >= %(first_day)s
    AND leg_date < %(end_day)s
    AND (business_date < %(first_day)s OR business_date >= %(end_day)s)
ON CONFLICT (account_id, origin, record_id, business_date) DO NOTHING
