-- Purpose:     a person has decided about a held file: it is loaded next, or never.
-- Parameters:  account_id, sha256, state, decided_by, now.   Grain: account_id, sha256.   Locks: the row.
-- Idempotent:  yes; only a held file is decided about.
UPDATE uploads SET
    state = %(state)s,
    decided_by = %(decided_by)s,
    decided_at = %(now)s,
    error_code = NULL,
    error_message = NULL
WHERE account_id = %(account_id)s AND sha256 = %(sha256)s AND state = 'held'
