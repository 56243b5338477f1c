-- Purpose:     what is under way that may yet change a day: its windows that are not loaded, files of the account that
--              wait, and whether somebody collects it now.
-- Parameters:  account_id, business_date.   Grain: one row.   Locks: none.
SELECT
    (
        SELECT count(*)
        FROM windows
        WHERE account_id = %(account_id)s AND business_date = %(business_date)s AND state <> 'loaded'
    ) AS open_windows,
    (
        SELECT count(*)
        FROM uploads
        WHERE account_id = %(account_id)s AND state IN ('landed', 'held')
    ) AS waiting_uploads,
    (
        SELECT count(*)
        FROM collections
        WHERE
            account_id = %(account_id)s
            AND business_date = %(business_date)s
            AND leased_until > clock_timestamp()
    ) AS collecting
