-- Name:        close_outcomes
-- Purpose:     end the outcomes that the version to be written no longer has.
-- Parameters:  account_id, carrier, business_date, version; outcome_ids (array).
-- Grain:       outcome_id.   Locks: the rows; the caller holds the account's advisory lock.   Idempotent: yes.
UPDATE reconciled_calls
SET until_version = %(version)s
WHERE
    account_id = %(account_id)s
    AND carrier = %(carrier)s
    AND business_date = %(business_date)s
    AND until_version IS NULL
    AND outcome_id = any(%(outcome_ids)s)

-- Name:        copy_current
-- Purpose:     outcomes of the newest version, with the columns by which two versions are compared.
-- Parameters:  account_id, carrier, business_date.   Grain: outcome_id.   Locks: none.
COPY (
    SELECT
        outcome_id,
        class,
        is_break,
        switch_record_id,
        carrier_record_id
    FROM reconciled_calls
    WHERE
        account_id = %(account_id)s
        AND carrier = %(carrier)s
        AND business_date = %(business_date)s
        AND until_version IS NULL
) TO STDOUT (FORMAT csv)

-- Name:        copy_outcomes
-- Purpose:     bulk-load the outcomes that are new in a version.
-- Parameters:  columns in the order of the CSV that follows.   Grain: outcome_id.   Locks: none beyond the rows written.
-- Idempotent:  no; the version's transaction is.
COPY reconciled_calls ({columns}) FROM STDIN (FORMAT csv)

-- Name:        day_verdict
-- Purpose:     result of the newest reconciliation of each carrier for an account's day.
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

-- Name:        newest_version
-- Purpose:     newest reconciliation of a carrier's day.
-- Parameters:  account_id, carrier, business_date.   Grain: one row or none.   Locks: none.
SELECT *
FROM reconciliations
WHERE account_id = %(account_id)s AND carrier = %(carrier)s AND business_date = %(business_date)s
ORDER BY version DESC
LIMIT 1

-- Name:        open_exposure
-- Purpose:     undecided breaks and their exposure in the newest reconciliations, by day and currency.
-- Parameters:  account_ids (array), first_date.   Grain: business_date, currency.   Locks: none.
SELECT
    business_date,
    currency,
    sum(breaks)::bigint AS breaks,
    sum(exposure) AS exposure,
    count(*) FILTER (WHERE light = 'red' AND status = 'final') AS red
FROM (
    SELECT DISTINCT ON (account_id, carrier, business_date)
        business_date,
        currency,
        breaks,
        exposure,
        light,
        status
    FROM reconciliations
    WHERE account_id = any(%(account_ids)s) AND business_date >= %(first_date)s
    ORDER BY account_id, carrier, business_date, version DESC
) AS newest
GROUP BY business_date, currency
ORDER BY business_date, currency

-- Name:        record_version
-- Purpose:     add a version of a carrier's day.
-- Parameters:  as named; totals as JSON text.   Grain: account_id, carrier, business_date, version.
-- Locks:       the row; the caller holds the account's advisory lock.   Idempotent: no, a version is written once.
INSERT INTO reconciliations (
    account_id, carrier, business_date, version, status, light, findings, inputs_hash, rules_hash, code_version, profile,
    currency, switch_rows, switch_seconds, switch_amount, carrier_rows, carrier_seconds, carrier_amount, breaks,
    exposure, offset_status, offset_ms, drift_ppm, spread_ms, offset_pairs, offset_finding, appeared, resolved, changed,
    totals, seen_changes, run_id, reconciled_at
)
VALUES (
    %(account_id)s, %(carrier)s, %(business_date)s, %(version)s, %(status)s, %(light)s, %(findings)s, %(inputs_hash)s,
    %(rules_hash)s, %(code_version)s, %(profile)s, %(currency)s, %(switch_rows)s, %(switch_seconds)s, %(switch_amount)s,
    %(carrier_rows)s, %(carrier_seconds)s, %(carrier_amount)s, %(breaks)s, %(exposure)s, %(offset_status)s,
    %(offset_ms)s, %(drift_ppm)s, %(spread_ms)s, %(offset_pairs)s, %(offset_finding)s, %(appeared)s, %(resolved)s,
    %(changed)s, %(totals)s::jsonb, %(seen_changes)s, %(run_id)s, %(now)s
)

-- Name:        trend
-- Purpose:     newest reconciliation of each of a carrier's days.
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
