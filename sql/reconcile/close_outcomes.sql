-- Purpose:     outcomes that the version about to be written does not find any more.
-- Parameters:  account_id, carrier, business_date, version; outcome_ids (array).
-- Grain:       outcome_id.   Locks: the rows; the caller holds the account's advisory lock.   Idempotent: yes.
UPDATE reconciled_calls
SET until_version = %(version)s
WHERE
    account_id = %(account_id)s
    AND carrier = %(carrier)s
    AND business_date = %(business_date)s
    AND until_version IS NULL
    AND outcome_id = any(%(outcome_ids)s)
