-- Purpose:     account-days by what is to be done with them: open ones to seal, sealed ones with late records to
--              restate, sealed ones whose manifests are not in place.
-- Parameters:  account_ids (array), first_date, last_date, what (open, late or unpublished).
-- Grain:       account_id, business_date.   Locks: none.
SELECT
    account_id,
    business_date
FROM days
WHERE
    account_id = any(%(account_ids)s)
    AND business_date BETWEEN %(first_date)s AND %(last_date)s
    AND CASE %(what)s
        WHEN 'open' THEN state = 'open'
        WHEN 'late' THEN state <> 'open' AND exported_changes < changes
        ELSE state <> 'open' AND published_at IS NULL
    END
ORDER BY account_id, business_date
