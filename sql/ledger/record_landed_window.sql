-- Purpose:     a window's pages are on disk, whole.
-- Parameters:  as named.   Grain: account_id, starts_at, ends_at, business_date.   Locks: the row.   Idempotent: yes.
INSERT INTO windows (
    account_id, starts_at, ends_at, business_date, state, dialect, rows_landed, landing_path, content_sha256,
    landed_at, attempted_at
) VALUES (
    %(account_id)s, %(starts_at)s, %(ends_at)s, %(business_date)s, 'landed', %(dialect)s, %(rows)s, %(landing_path)s,
    %(content_sha256)s, %(now)s, %(now)s
)
ON CONFLICT (account_id, starts_at, ends_at, business_date) DO UPDATE SET
    state = excluded.state,
    dialect = excluded.dialect,
    rows_landed = excluded.rows_landed,
    landing_path = excluded.landing_path,
    content_sha256 = excluded.content_sha256,
    landed_at = excluded.landed_at,
    batch_id = NULL,
    error_code = NULL,
    error_message = NULL,
    attempted_at = excluded.attempted_at
