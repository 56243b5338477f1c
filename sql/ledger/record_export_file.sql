-- Purpose:     a daily file and its manifest are on disk, whole.
-- Parameters:  as named.   Grain: account_id, business_date, version, dialect.   Locks: the row.   Idempotent: yes.
INSERT INTO export_files (
    account_id, business_date, version, dialect, path, sha256, bytes, row_count, written_at
) VALUES (
    %(account_id)s, %(business_date)s, %(version)s, %(dialect)s, %(path)s, %(sha256)s, %(bytes)s, %(rows)s, %(now)s
)
ON CONFLICT (account_id, business_date, version, dialect) DO UPDATE SET
    path = excluded.path,
    sha256 = excluded.sha256,
    bytes = excluded.bytes,
    row_count = excluded.row_count,
    written_at = excluded.written_at
WHERE export_files.sha256 <> excluded.sha256 OR export_files.path <> excluded.path
