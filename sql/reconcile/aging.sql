-- Purpose:     undecided breaks of a carrier by business date, to be shown by age.
-- Parameters:  account_id, carrier, last_date.   Grain: business_date.   Locks: none.
SELECT
    calls.business_date,
    count(*) AS break_count,
    sum(greatest(calls.exposure, 0)) AS exposure
FROM reconciled_calls AS calls
LEFT JOIN break_decisions AS decided
    ON decided.account_id = calls.account_id AND decided.outcome_id = calls.outcome_id
WHERE
    calls.account_id = %(account_id)s
    AND calls.carrier = %(carrier)s
    AND calls.business_date <= %(last_date)s
    AND calls.is_break
    AND calls.until_version IS NULL
    AND decided.outcome_id IS NULL
GROUP BY calls.business_date
ORDER BY calls.business_date
