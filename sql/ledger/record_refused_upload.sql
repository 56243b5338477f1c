-- Purpose:     a file could not be opened as its profile says; nothing of it was merged.
-- Parameters:  as named.   Grain: account_id, sha256.   Locks: the row.   Idempotent: yes.
UPDATE uploads SET state = 'refused', error_code = %(error_code)s, error_message = %(error_message)s
WHERE account_id = %(account_id)s AND sha256 = %(sha256)s
