-- Purpose:     what the ledger knows of one account's day, for its file and manifest.
-- Parameters:  account_id, business_date.   Grain: one row.   Locks: none.
SELECT
    coalesce(known.state, 'open') AS state,
    coalesce(known.version, 1) AS version,
    coalesce(known.changes, 0) AS changes,
    coalesce(known.exported_changes, 0) AS exported_changes,
    known.complete_through,
    known.volume,
    known.sealed_at,
    known.published_at,
    rejected.rejected_rows,
    rejected.corrected_rows
FROM (
    SELECT
        count(*) FILTER (WHERE state <> 'corrected') AS rejected_rows,
        count(*) FILTER (WHERE state = 'corrected') AS corrected_rows
    FROM rejects
    WHERE account_id = %(account_id)s AND business_date = %(business_date)s
) AS rejected
LEFT JOIN days AS known
    ON known.account_id = %(account_id)s AND known.business_date = %(business_date)s
