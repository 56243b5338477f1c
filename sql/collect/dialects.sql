-- Name:        forget_dialects
-- Purpose:     clear the API dialect of accounts, so that it is detected again; the time it was last seen stays.
-- Parameters:  account_ids (array).   Grain: account_id.   Locks: the rows.   Idempotent: yes.
UPDATE accounts SET dialect = NULL
WHERE account_id = any(%(account_ids)s)

-- Name:        windows_in_dialects
-- Purpose:     windows that landed in certain dialects of the switch's API since an instant.
-- Parameters:  account_id, dialects (array), since.   Grain: account_id, starts_at, ends_at, business_date.   Locks: none.
SELECT
    business_date,
    starts_at,
    ends_at
FROM windows
WHERE
    account_id = %(account_id)s
    AND dialect = any(%(dialects)s)
    AND landed_at > %(since)s
ORDER BY business_date, starts_at
