-- Name:        open_breaks_by_day
-- Purpose:     undecided breaks of a carrier by business date; exposure in one currency only.
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

-- Name:        breaks
-- Purpose:     breaks of the newest versions with the records of both sides as delivered, the id as the carrier has it,
--              and the latest decision.
-- Parameters:  account_ids (array), first_date, last_date; carrier or null; id_prefix: beginning of their id; most: rows.
-- Grain:       account_id, outcome_id; the largest amount at risk first.   Locks: none.
SELECT
    calls.account_id,
    calls.carrier,
    calls.business_date,
    calls.outcome_id,
    calls.class,
    calls.cause,
    calls.ambiguous,
    calls.destination,
    calls.exposure,
    calls.delta_ms,
    calls.agreed_rate,
    calls.expected_amount,
    calls.detail,
    calls.found_at,
    run.currency,
    calls.started_at AS call_started_at,
    coalesce(leg.caller_id_name, record.caller_id_name) AS caller_id_name,
    calls.switch_record_id,
    leg.call_id AS switch_call_id,
    leg.caller_id_number AS switch_caller,
    leg.callee_id_number AS switch_callee,
    leg.started_at AS switch_started_at,
    leg.answered_at AS switch_answered_at,
    calls.switch_seconds,
    calls.switch_amount,
    CASE split_part(calls.carrier_record_id, ':', 2)
        WHEN 'id' THEN regexp_replace(calls.carrier_record_id, '^[^:]*:id:', '')
        ELSE calls.carrier_record_id
    END AS carrier_record_id,
    record.call_id AS carrier_call_id,
    record.caller_id_number AS carrier_caller,
    record.callee_id_number AS carrier_callee,
    record.started_at AS carrier_started_at,
    record.answered_at AS carrier_answered_at,
    calls.carrier_seconds,
    calls.carrier_amount,
    record.rate AS carrier_rate,
    record.cost_currency AS carrier_currency,
    upload.file_name AS carrier_file,
    record.source_line AS carrier_line,
    decided.decision,
    decided.reason,
    decided.decided_by,
    decided.decided_at
FROM reconciled_calls AS calls
INNER JOIN reconciliations AS run
    ON
        run.account_id = calls.account_id
        AND run.carrier = calls.carrier
        AND run.business_date = calls.business_date
        AND run.version = calls.since_version
LEFT JOIN cdr AS leg
    ON
        leg.account_id = calls.account_id
        AND leg.origin = 'api'
        AND leg.record_id = calls.switch_record_id
        AND leg.business_date = calls.switch_date
LEFT JOIN cdr AS record
    ON
        record.account_id = calls.account_id
        AND record.origin = 'imported'
        AND record.record_id = calls.carrier_record_id
        AND record.business_date = calls.carrier_date
LEFT JOIN batches AS batch
    ON batch.account_id = record.account_id AND batch.batch_id = record.batch_id
LEFT JOIN uploads AS upload
    ON upload.account_id = batch.account_id AND upload.sha256 = batch.source
LEFT JOIN (
    SELECT DISTINCT ON (account_id, outcome_id)
        account_id,
        outcome_id,
        decision,
        reason,
        decided_by,
        decided_at
    FROM break_decisions
    WHERE account_id = any(%(account_ids)s)
    ORDER BY account_id, outcome_id, decision_no DESC
) AS decided
    ON decided.account_id = calls.account_id AND decided.outcome_id = calls.outcome_id
WHERE
    calls.account_id = any(%(account_ids)s)
    AND calls.business_date BETWEEN %(first_date)s AND %(last_date)s
    AND (%(carrier)s::text IS NULL OR calls.carrier = %(carrier)s)
    AND starts_with(calls.outcome_id, %(id_prefix)s)
    AND calls.is_break
    AND calls.until_version IS NULL
ORDER BY calls.exposure DESC, calls.business_date, calls.started_at, calls.outcome_id
LIMIT %(most)s

-- Name:        record_decision
-- Purpose:     add a person's decision on a break; earlier decisions stay.
-- Parameters:  account_id, outcome_id, decision, reason, decided_by, now.
-- Grain:       account_id, outcome_id, decision_no.   Locks: the row written; two at once for one break: the second
--              fails and can be tried again.   Idempotent: no.
INSERT INTO break_decisions (account_id, outcome_id, decision_no, decision, reason, decided_by, decided_at)
SELECT
    %(account_id)s,
    %(outcome_id)s,
    coalesce(max(decision_no), 0) + 1,
    %(decision)s,
    %(reason)s,
    %(decided_by)s,
    %(now)s
FROM break_decisions
WHERE account_id = %(account_id)s AND outcome_id = %(outcome_id)s
