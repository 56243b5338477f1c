-- Purpose:     note which business dates the batch changed, those that changed records have left included.
-- Parameters:  account_id, batch_id, now.
-- Grain:       account_id, business_date; returns one row per date touched.
-- Locks:       the days' rows.   Idempotent: no, it counts; the batch's transaction runs it once.
INSERT INTO days AS day (account_id, business_date, state, changes, exported_changes, changed_at)
SELECT
    touched.account_id,
    touched.business_date,
    'open',
    1,
    0,
    %(now)s
FROM (
    SELECT cdr.account_id, cdr.business_date
    FROM cdr
    INNER JOIN cdr_stage AS staged
        ON
            staged.account_id = cdr.account_id
            AND staged.origin = cdr.origin
            AND staged.record_id = cdr.record_id
    WHERE
        staged.account_id = %(account_id)s
        AND staged.batch_id = %(batch_id)s
        AND cdr.batch_id = %(batch_id)s
    UNION
    SELECT account_id, business_date
    FROM cdr_history
    WHERE account_id = %(account_id)s AND replaced_by = %(batch_id)s
) AS touched
ON CONFLICT (account_id, business_date) DO UPDATE SET
    changes = day.changes + 1,
    changed_at = excluded.changed_at
RETURNING business_date
