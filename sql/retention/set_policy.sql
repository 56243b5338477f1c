-- Purpose:     what becomes of an account's old records, in place of what was said before.
-- Parameters:  account_id, keep_months, archive, mask_after_days, set_by, now.
-- Grain:       account_id.   Locks: the row.   Idempotent: yes.
INSERT INTO retention_policies (account_id, keep_months, archive, mask_after_days, set_by, set_at)
VALUES (%(account_id)s, %(keep_months)s, %(archive)s, %(mask_after_days)s, %(set_by)s, %(now)s)
ON CONFLICT (account_id) DO UPDATE SET
    keep_months = excluded.keep_months,
    archive = excluded.archive,
    mask_after_days = excluded.mask_after_days,
    set_by = excluded.set_by,
    set_at = excluded.set_at
