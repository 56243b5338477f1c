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
        carrier_record_id,
        part_of
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
COPY reconciled_calls ({stored}) FROM STDIN (FORMAT csv)

-- Name:        day_verdict
-- Purpose:     result of the newest reconciliation of each carrier for an account's day, with the undecided breaks.
-- Parameters:  account_id, business_date.   Grain: carrier.   Locks: none.
SELECT
    newest.carrier,
    newest.status,
    newest.light,
    newest.breaks,
    newest.exposure,
    newest.unverified,
    (
        SELECT count(*)
        FROM reconciled_calls AS calls
        LEFT JOIN break_decisions AS decided
            ON decided.account_id = calls.account_id AND decided.outcome_id = calls.outcome_id AND decided.is_newest
        WHERE
            calls.account_id = %(account_id)s
            AND calls.business_date = newest.business_date
            AND calls.carrier = newest.carrier
            AND calls.is_break
            AND calls.until_version IS NULL
            AND coalesce(decided.decision, 'open') = 'open'
    ) AS undecided
FROM (
    SELECT DISTINCT ON (account_id, carrier)
        account_id,
        business_date,
        carrier,
        status,
        light,
        breaks,
        exposure,
        unverified
    FROM reconciliations
    WHERE account_id = %(account_id)s AND business_date = %(business_date)s
    ORDER BY account_id, carrier, version DESC
) AS newest
ORDER BY newest.carrier

-- Name:        newest_version
-- Purpose:     newest reconciliation of a carrier's day.
-- Parameters:  account_id, carrier, business_date.   Grain: one row or none.   Locks: none.
SELECT *
FROM reconciliations
WHERE account_id = %(account_id)s AND carrier = %(carrier)s AND business_date = %(business_date)s
ORDER BY version DESC
LIMIT 1

-- Name:        open_exposure
-- Purpose:     undecided breaks and their exposure in the newest reconciliations, by day and currency; red ones that
--              decisions settle, and red ones because charges are not verified. Rejected lines are problems of their own
--              (uploads/open_rejects); the breaks of their days are counted here.
-- Parameters:  account_ids (array), first_date.   Grain: business_date, currency.   Locks: none.
SELECT
    newest.business_date,
    newest.currency,
    coalesce(sum(undecided.breaks), 0)::bigint AS breaks,
    coalesce(sum(undecided.exposure), 0) AS exposure,
    count(*) FILTER (
        WHERE
            newest.light = 'red'
            AND newest.status = 'final'
            AND (
                (undecided.breaks > 0 AND (NOT newest.unverified OR newest.has_rejects))
                OR (newest.breaks = 0 AND NOT newest.unverified)
            )
    ) AS red,
    count(*) FILTER (
        WHERE newest.light = 'red'
            AND newest.status = 'final'
            AND newest.unverified
            AND NOT newest.has_rejects
    ) AS unverified
FROM (
    SELECT DISTINCT ON (account_id, carrier, business_date)
        account_id,
        carrier,
        business_date,
        currency,
        breaks,
        light,
        status,
        unverified,
        totals @> jsonb_build_array(jsonb_build_object('class', 'rejected')) AS has_rejects
    FROM reconciliations
    WHERE account_id = any(%(account_ids)s) AND business_date >= %(first_date)s
    ORDER BY account_id, carrier, business_date, version DESC
) AS newest
LEFT JOIN (
    SELECT
        calls.account_id,
        calls.carrier,
        calls.business_date,
        count(*) AS breaks,
        sum(greatest(calls.exposure, 0)) FILTER (WHERE coalesce(calls.currency, run.currency) = run.currency) AS exposure
    FROM reconciled_calls AS calls
    INNER JOIN reconciliations AS run
        ON
            run.account_id = calls.account_id
            AND run.carrier = calls.carrier
            AND run.business_date = calls.business_date
            AND run.version = calls.since_version
    LEFT JOIN break_decisions AS decided
        ON decided.account_id = calls.account_id AND decided.outcome_id = calls.outcome_id AND decided.is_newest
    WHERE
        calls.account_id = any(%(account_ids)s)
        AND calls.business_date >= %(first_date)s
        AND calls.is_break
        AND calls.until_version IS NULL
        AND coalesce(decided.decision, 'open') = 'open'
    GROUP BY calls.account_id, calls.carrier, calls.business_date
) AS undecided
    ON
        undecided.account_id = newest.account_id
        AND undecided.carrier = newest.carrier
        AND undecided.business_date = newest.business_date
GROUP BY newest.business_date, newest.currency
ORDER BY newest.business_date, newest.currency

-- Name:        record_version
-- Purpose:     add a version of a carrier's day.
-- Parameters:  as named; totals as JSON text.   Grain: account_id, carrier, business_date, version.
-- Locks:       the row; the caller holds the account's advisory lock.   Idempotent: no, a version is written once.
INSERT INTO reconciliations (
    account_id, carrier, business_date, version, status, light, findings, inputs_hash, rules_hash, code_version, profile,
    currency, switch_rows, switch_seconds, switch_amount, carrier_rows, carrier_seconds, carrier_amount, breaks,
    exposure, offset_status, offset_ms, drift_ppm, spread_ms, offset_pairs, offset_finding, appeared, resolved, changed,
    totals, seen_changes, unverified, run_id, reconciled_at
)
VALUES (
    %(account_id)s, %(carrier)s, %(business_date)s, %(version)s, %(status)s, %(light)s, %(findings)s, %(inputs_hash)s,
    %(rules_hash)s, %(code_version)s, %(profile)s, %(currency)s, %(switch_rows)s, %(switch_seconds)s, %(switch_amount)s,
    %(carrier_rows)s, %(carrier_seconds)s, %(carrier_amount)s, %(breaks)s, %(exposure)s, %(offset_status)s,
    %(offset_ms)s, %(drift_ppm)s, %(spread_ms)s, %(offset_pairs)s, %(offset_finding)s, %(appeared)s, %(resolved)s,
    %(changed)s, %(totals)s::jsonb, %(seen_changes)s, %(unverified)s, %(run_id)s,
    %(now)s
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
