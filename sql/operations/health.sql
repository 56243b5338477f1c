-- Name:        night_accounts
-- Purpose:     state of an active account's day: collection, seal, and the file with its size.
-- Parameters:  account_ids (array), business_date.   Grain: account_id.   Locks: none.
SELECT
    accounts.account_id,
    days.state,
    days.collected_at,
    days.complete_through,
    days.volume,
    coalesce(failed.windows, 0) AS failed_windows,
    newest.path,
    newest.version,
    newest.row_count,
    newest.bytes,
    newest.sha256
FROM accounts
LEFT JOIN days ON days.account_id = accounts.account_id AND days.business_date = %(business_date)s
LEFT JOIN (
    SELECT DISTINCT ON (account_id)
        account_id,
        path,
        version,
        row_count,
        bytes,
        sha256
    FROM export_files
    WHERE
        account_id = any(%(account_ids)s)
        AND business_date = %(business_date)s
        AND dialect = 'exact'
    ORDER BY account_id, version DESC
) AS newest
    ON newest.account_id = accounts.account_id
LEFT JOIN (
    SELECT
        account_id,
        count(*) AS windows
    FROM windows
    WHERE account_id = any(%(account_ids)s) AND business_date = %(business_date)s AND state = 'failed'
    GROUP BY account_id
) AS failed
    ON failed.account_id = accounts.account_id
WHERE accounts.account_id = any(%(account_ids)s)
ORDER BY accounts.account_id
