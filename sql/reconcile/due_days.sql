-- Purpose:     earlier days whose records, or those around them, have changed since they were reconciled.
-- Parameters:  account_id, first_date, last_date.   Grain: business_date.   Locks: none.
SELECT DISTINCT newest.business_date
FROM (
    SELECT DISTINCT ON (carrier, business_date)
        account_id,
        business_date,
        seen_changes
    FROM reconciliations
    WHERE account_id = %(account_id)s AND business_date BETWEEN %(first_date)s AND %(last_date)s
    ORDER BY carrier, business_date, version DESC
) AS newest
INNER JOIN (
    SELECT
        middle.account_id,
        middle.business_date,
        sum(near.changes) AS changes
    FROM days AS middle
    INNER JOIN days AS near
        ON
            near.account_id = middle.account_id
            AND near.business_date BETWEEN middle.business_date - 1 AND middle.business_date + 1
    WHERE
        middle.account_id = %(account_id)s
        AND middle.business_date BETWEEN %(first_date)s AND %(last_date)s
    GROUP BY middle.account_id, middle.business_date
) AS seen
    ON
        seen.account_id = newest.account_id
        AND seen.business_date = newest.business_date
        AND seen.changes > newest.seen_changes
ORDER BY newest.business_date
