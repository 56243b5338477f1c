-- Purpose:     every announced file of a sealed day is due at a target, once; a file that is known there stays as it is.
-- Parameters:  account_ids (array), dialects (array), target, now.   Grain: account_id, target, path.   Locks: the rows.
-- Idempotent:  yes.
INSERT INTO deliveries (
    account_id, target, path, business_date, version, sha256, bytes, state, attempts, due_at
)
SELECT
    export_files.account_id,
    %(target)s,
    export_files.path,
    export_files.business_date,
    export_files.version,
    export_files.sha256,
    export_files.bytes,
    'pending',
    0,
    %(now)s
FROM export_files
INNER JOIN days
    ON days.account_id = export_files.account_id AND days.business_date = export_files.business_date
WHERE
    export_files.account_id = any(%(account_ids)s)
    AND export_files.dialect = any(%(dialects)s)
    AND export_files.manifest IS NOT NULL
    AND (days.published_at IS NOT NULL OR export_files.version < days.version)
ON CONFLICT (account_id, target, path) DO NOTHING
