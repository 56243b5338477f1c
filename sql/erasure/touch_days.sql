-- Purpose:     have the files of the erasure's days written again: open ones by the next export, final ones by a
--              restatement, where that is wanted. Days of months that were removed have no legs any more.
-- Parameters:  account_id, erasure_id, reissue, now.   Grain: business_date.   Locks: the rows.   Idempotent: no.
UPDATE days SET
    changes = changes + 1,
    changed_at = %(now)s
WHERE
    account_id = %(account_id)s
    AND (state = 'open' OR %(reissue)s)
    AND business_date IN (
        SELECT erased.business_date
        FROM erased_records AS erased
        WHERE erased.account_id = %(account_id)s AND erased.erasure_id = %(erasure_id)s
    )
    AND NOT EXISTS (
        SELECT 1
        FROM removed_months AS removed
        WHERE
            removed.account_id = days.account_id
            AND removed.month = date_trunc('month', days.business_date)::date
    )
