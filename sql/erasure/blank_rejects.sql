-- Purpose:     empty the raw text of refused rows in which a number stands; what was wrong with them stays known.
-- Parameters:  account_id, pattern.   Grain: reject_id.   Locks: the rows changed.   Idempotent: yes.
UPDATE rejects SET raw = ''
WHERE account_id = %(account_id)s AND raw ~ %(pattern)s
RETURNING batch_id
