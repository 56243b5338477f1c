-- Purpose:     what becomes of old records, for accounts of which it was said.
-- Parameters:  none.   Grain: account_id.   Locks: none.
SELECT
    account_id,
    keep_months,
    archive,
    mask_after_days,
    set_by,
    set_at
FROM retention_policies
ORDER BY account_id
