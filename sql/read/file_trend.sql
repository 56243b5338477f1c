-- Purpose:     rows in the newest file of every day, all accounts together: the trend of some weeks.
-- Parameters:  account_ids (array), first_date, last_date.   Grain: business_date.   Locks: none.
SELECT
    newest.business_date,
    count(*) AS files,
    sum(newest.row_count)::bigint AS row_count
FROM (
    SELECT DISTINCT ON (account_id, business_date)
        account_id,
        business_date,
        row_count
    FROM export_files
    WHERE
        account_id = any(%(account_ids)s)
        AND business_date BETWEEN %(first_date)s AND %(last_date)s
        AND dialect = 'exact'
    ORDER BY account_id, business_date, version DESC
) AS newest
GROUP BY newest.business_date
ORDER BY newest.business_date
