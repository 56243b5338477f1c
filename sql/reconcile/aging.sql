-- Purpose:     undecided breaks of a carrier by business date, to be shown by age; money in one currency only.
-- Parameters:  account_id, carrier, last_date, currency.   Grain: business_date.   Locks: none.
SELECT
    calls.business_date,
    count(*) AS break_count,
    coalesce(
        sum(greatest(calls.exposure, 0)) FILTER (
            WHERE coalesce(upper(record.cost_currency), run.currency) = %(currency)s
        ),
        0
    ) AS exposure
FROM reconciled_calls AS calls
INNER JOIN reconciliations AS run
    ON
        run.account_id = calls.account_id
        AND run.carrier = calls.carrier
        AND run.business_date = calls.business_date
        AND run.version = calls.since_version
LEFT JOIN cdr AS record
    ON
        record.account_id = calls.account_id
        AND record.origin = 'imported'
        AND record.record_id = calls.carrier_record_id
        AND record.business_date = calls.carrier_date
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
