-- Purpose:     links that reconciliation has set for the switch's records of some days.
-- Parameters:  account_id, first_date, last_date.   Grain: account_id, imported_record_id.   Locks: none.
SELECT
    imported_record_id,
    api_record_id
FROM cdr_links
WHERE
    account_id = %(account_id)s
    AND basis = 'reconciled'
    AND api_business_date BETWEEN %(first_date)s AND %(last_date)s
ORDER BY imported_record_id
