-- Purpose:     remove earlier versions that stood in a month, and those of records that are removed with it.
-- Parameters:  account_id, first_day, end_day.   Grain: account_id, origin, record_id, replaced_by.
-- Locks:       the rows; the caller holds the account's advisory lock.   Idempotent: yes.
DELETE FROM cdr_history AS past
WHERE
    past.account_id = %(account_id)s
    AND (
        (past.business_date >= %(first_day)s AND past.business_date < %(end_day)s)
        OR EXISTS (
            SELECT 1
            FROM cdr_places AS place
            WHERE
                place.account_id = past.account_id
                AND place.origin = past.origin
                AND place.record_id = past.record_id
                AND place.leg_date >= %(first_day)s
                AND place.leg_date < %(end_day)s
        )
    )
