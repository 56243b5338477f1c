-- Purpose:     rejected rows by source and reason.
-- Parameters:  account_ids (array), state.   Grain: account_id, origin, source, reason, field.   Locks: none.
SELECT
    rejects.account_id,
    rejects.origin,
    rejects.source,
    uploads.file_name,
    uploads.profile,
    rejects.reason,
    rejects.field,
    count(*) AS row_count,
    min(rejects.line) AS first_line
FROM rejects
LEFT JOIN uploads
    ON uploads.account_id = rejects.account_id AND uploads.sha256 = rejects.source
WHERE rejects.account_id = any(%(account_ids)s) AND rejects.state = %(state)s
GROUP BY
    rejects.account_id, rejects.origin, rejects.source, uploads.file_name, uploads.profile, rejects.reason,
    rejects.field
ORDER BY rejects.account_id, rejects.origin, rejects.source, row_count DESC, rejects.reason, rejects.field
