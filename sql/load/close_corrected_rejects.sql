-- Purpose:     rejected lines of an upload that have been fed again are closed, here and under uploads that corrected it
--              before; what is wrong with them still, stands under the upload that corrects now.
-- Parameters:  account_id, corrects (sha256 of the first upload), source (of the correcting one), lines (array).
-- Grain:       account_id, reject_id.   Locks: those rows.   Idempotent: yes.
UPDATE rejects SET state = 'corrected', corrected_by = %(source)s
WHERE
    account_id = %(account_id)s
    AND source <> %(source)s
    AND source IN (
        SELECT sha256
        FROM uploads
        WHERE account_id = %(account_id)s AND (sha256 = %(corrects)s OR corrects = %(corrects)s)
    )
    AND line = any(%(lines)s::bigint [])
    AND state = 'open'
