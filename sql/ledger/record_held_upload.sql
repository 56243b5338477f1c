-- Purpose:     a file repeats records of another one: a person decides.
-- Parameters:  account_id, sha256, overlap_rows, error_code, error_message.   Grain: account_id, sha256.
-- Locks:       the row.   Idempotent: yes.
UPDATE uploads SET
    state = 'held',
    overlap_rows = %(overlap_rows)s,
    error_code = %(error_code)s,
    error_message = %(error_message)s
WHERE account_id = %(account_id)s AND sha256 = %(sha256)s
