-- Purpose:     forget where the removed records of a month stood. After them, before their links, which say which.
-- Parameters:  account_id, first_day, end_day.   Grain: record.
-- Locks:       the rows; the caller holds the account's advisory lock.   Idempotent: yes.
DELETE FROM cdr_keys
USING cdr_places AS place
WHERE
    cdr_keys.account_id = %(account_id)s
    AND place.account_id = cdr_keys.account_id
    AND place.origin = cdr_keys.origin
    AND place.record_id = cdr_keys.record_id
    AND place.leg_date >= %(first_day)s
    AND place.leg_date < %(end_day)s
