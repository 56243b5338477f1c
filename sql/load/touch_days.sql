-- Purpose:     note which business dates the batch changed, those that changed records have left included. Days of
--              months that were removed stay as they are: their legs are gone, and an empty file is no restatement.
-- Parameters:  account_id, dates (array), now.
-- Grain:       account_id, business_date.
-- Locks:       the days' rows, in the order of their dates.
-- Idempotent:  no, it counts; the batch's transaction runs it once.
INSERT INTO days AS day (account_id, business_date, state, changes, exported_changes, changed_at)
SELECT
    %(account_id)s,
    touched.business_date,
    'open',
    1,
    0,
    %(now)s
FROM unnest(%(dates)s::date []) AS touched (business_date)
WHERE
    NOT EXISTS (
        SELECT 1
        FROM removed_months AS removed
        WHERE
            removed.account_id = %(account_id)s
            AND removed.month = date_trunc('month', touched.business_date)::date
    )
ORDER BY touched.business_date
ON CONFLICT (account_id, business_date) DO UPDATE SET
    changes = day.changes + 1,
    changed_at = excluded.changed_at
