-- Purpose:     remove the records of which a month's legs consist.
-- Parameters:  account_id, first_day, end_day.   Grain: record.
-- Locks:       the rows; the caller holds the account's advisory lock.   Idempotent: yes.
DELETE FROM cdr
USING cdr_places AS place
WHERE
    cdr.account_id = %(account_id)s
    AND place.account_id = cdr.account_id
    AND place.origin = cdr.origin
    AND place.record_id = cdr.record_id
    AND place.business_date = cdr.business_date
    AND place.leg_date >= %(first_day)s
    AND place.leg_date < %(end_day)s
