-- Purpose:     what the newest reconciliation of each carrier says about an account's day.
-- Parameters:  account_id, business_date.   Grain: carrier.   Locks: none.
SELECT DISTINCT ON (carrier)
    carrier,
    status,
    light,
    breaks,
    exposure
FROM reconciliations
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
ORDER BY carrier, version DESC
