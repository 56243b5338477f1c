-- Purpose:     note the records of an account, and their earlier versions, in which a number stands.
-- Parameters:  account_id, erasure_id, pattern (regular expression of the number); searched, the text of a record.
-- Grain:       account_id, origin, record_id, business_date.
-- Locks:       the rows written; the caller holds the account's advisory lock.   Idempotent: yes.
INSERT INTO erased_records (account_id, origin, record_id, business_date, erasure_id)
SELECT
    account_id,
    origin,
    record_id,
    business_date,
    %(erasure_id)s
FROM cdr
WHERE account_id = %(account_id)s AND {searched} ~ %(pattern)s
UNION
SELECT
    account_id,
    origin,
    record_id,
    business_date,
    %(erasure_id)s
FROM cdr_history
WHERE account_id = %(account_id)s AND {searched} ~ %(pattern)s
ON CONFLICT (account_id, origin, record_id, business_date) DO UPDATE SET erasure_id = excluded.erasure_id
