-- Purpose:     pairs of a carrier's day that are one call and are not linked to each other: a link by call id had taken
--              the place of theirs, or another reconciliation has ended it.
-- Parameters:  account_id, carrier, business_date; classes (array): those of one call.
-- Grain:       carrier_record_id, switch_record_id.   Locks: none.
SELECT
    pair.carrier_record_id,
    pair.switch_record_id
FROM reconciled_calls AS pair
LEFT JOIN cdr_links AS link
    ON
        link.account_id = pair.account_id
        AND link.imported_record_id = pair.carrier_record_id
        AND link.api_record_id = pair.switch_record_id
WHERE
    pair.account_id = %(account_id)s
    AND pair.carrier = %(carrier)s
    AND pair.business_date = %(business_date)s
    AND pair.until_version IS NULL
    AND pair.class = any(%(classes)s::text [])
    AND pair.switch_record_id IS NOT NULL
    AND pair.carrier_record_id IS NOT NULL
    AND link.api_record_id IS NULL
ORDER BY pair.carrier_record_id
