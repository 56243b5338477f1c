-- Purpose:     the newest reconciliation of each of a carrier's days.
-- Parameters:  account_id, carrier, first_date, last_date.   Grain: business_date.   Locks: none.
SELECT DISTINCT ON (business_date)
    business_date,
    light,
    breaks,
    exposure,
    carrier_amount,
    switch_rows
FROM reconciliations
WHERE
    account_id = %(account_id)s
    AND carrier = %(carrier)s
    AND business_date BETWEEN %(first_date)s AND %(last_date)s
ORDER BY business_date, version DESC
