-- Purpose:     a file repeats records of another one, or carries ids of other calls: a person decides.
-- Parameters:  account_id, sha256, overlap_rows, other_calls, error_code, error_message.   Grain: account_id, sha256.
-- Locks:       the row.   Idempotent: yes.
UPDATE uploads SET
    state = 'held',
    overlap_rows = %(overlap_rows)s,
    other_calls = %(other_calls)s,
    error_code = %(error_code)s,
    error_message = %(error_message)s
WHERE account_id = %(account_id)s AND sha256 = %(sha256)s
