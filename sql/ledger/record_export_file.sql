-- Purpose:     a daily file is on disk, whole; its manifest's text is kept where the day is sealed.
-- Parameters:  as named.   Grain: account_id, business_date, version, dialect.   Locks: the row.   Idempotent: yes.
INSERT INTO export_files (
    account_id, business_date, version, dialect, path, sha256, content_sha256, bytes, row_count, manifest, written_at
) VALUES (
    %(account_id)s, %(business_date)s, %(version)s, %(dialect)s, %(path)s, %(sha256)s, %(content_sha256)s, %(bytes)s,
    %(rows)s, %(manifest)s, %(now)s
)
ON CONFLICT (account_id, business_date, version, dialect) DO UPDATE SET
    path = excluded.path,
    sha256 = excluded.sha256,
    content_sha256 = excluded.content_sha256,
    bytes = excluded.bytes,
    row_count = excluded.row_count,
    manifest = excluded.manifest,
    written_at = excluded.written_at
WHERE
    export_files.sha256 <> excluded.sha256
    OR export_files.path <> excluded.path
    OR export_files.manifest IS DISTINCT FROM excluded.manifest
