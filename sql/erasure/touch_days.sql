-- Purpose:     have the files of the erasure's days written again: open ones by the next export, final ones by a
--              restatement, where that is wanted.
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
