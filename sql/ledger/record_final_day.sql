-- Purpose:     a day is sealed, or restated under a new version; its manifests are not announced yet.
-- Parameters:  account_id, business_date, state, version, changes, now.   Grain: account_id, business_date.
-- Locks:       the row; the caller has it.   Idempotent: yes.
UPDATE days SET
    state = %(state)s,
    version = %(version)s,
    exported_changes = %(changes)s,
    exported_at = %(now)s,
    sealed_at = coalesce(sealed_at, %(now)s),
    published_at = NULL
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
