-- Purpose:     the newest reconciliation of a carrier's day.
-- Parameters:  account_id, carrier, business_date.   Grain: one row or none.   Locks: none.
SELECT *
FROM reconciliations
WHERE account_id = %(account_id)s AND carrier = %(carrier)s AND business_date = %(business_date)s
ORDER BY version DESC
LIMIT 1
