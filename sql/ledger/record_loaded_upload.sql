-- Purpose:     a landed upload has been merged.
-- Parameters:  as named.   Grain: account_id, sha256.   Locks: the row.   Idempotent: yes.
UPDATE uploads SET state = 'loaded', batch_id = %(batch_id)s, loaded_at = %(now)s
WHERE account_id = %(account_id)s AND sha256 = %(sha256)s
