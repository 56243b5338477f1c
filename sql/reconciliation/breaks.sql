-- Name:        cause_sums
-- Purpose:     calls of the newest version of a carrier's day by cause, what explains it, and currency; too much and too
--              little are not netted. Unpriced charges are not compared and have no part in it.
-- Parameters:  account_id, carrier, business_date; currency: that of outcomes that name none.
-- Grain:       cause, detail, currency; most calls first.   Locks: none.
SELECT
    cause,
    coalesce(detail, '') AS detail,
    coalesce(nullif(currency, ''), %(currency)s::text) AS currency,
    count(*) AS calls,
    sum(greatest(exposure, 0)) AS too_much,
    sum(greatest(-exposure, 0)) AS too_little
FROM reconciled_calls
WHERE
    account_id = %(account_id)s
    AND carrier = %(carrier)s
    AND business_date = %(business_date)s
    AND until_version IS NULL
    AND cause IS NOT NULL
    AND class <> 'unpriced'
GROUP BY cause, coalesce(detail, ''), coalesce(nullif(currency, ''), %(currency)s::text)
ORDER BY calls DESC, cause ASC, detail ASC, currency ASC

-- Name:        open_breaks_by_day
-- Purpose:     undecided breaks of a carrier by business date; exposure in one currency only.
-- Parameters:  account_id, carrier, last_date, currency.   Grain: business_date.   Locks: none.
SELECT
    calls.business_date,
    count(*) AS break_count,
    coalesce(
        sum(greatest(calls.exposure, 0)) FILTER (WHERE coalesce(calls.currency, run.currency) = %(currency)s), 0
    ) AS exposure
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
    calls.account_id = %(account_id)s
    AND calls.carrier = %(carrier)s
    AND calls.business_date <= %(last_date)s
    AND calls.is_break
    AND calls.until_version IS NULL
    AND coalesce(decided.decision, 'open') = 'open'
GROUP BY calls.business_date
ORDER BY calls.business_date

-- Name:        breaks
-- Purpose:     breaks of the newest versions with the newest decision, and who is in charge. The records of both sides
--              are read by their keys afterwards, see legs_of_breaks and records_of_breaks: joined here, a table without
--              statistics makes the planner look through all records of the account for each break. A call in several
--              records has the length and amount of all.
-- Parameters:  account_ids (array), first_date, last_date; carrier or null; id_prefix: beginning of their id; classes,
--              causes and states (arrays, empty for all); destination, below, at_least, currency, assignee or null;
--              most: rows.
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
    CASE
        WHEN further.records IS NULL OR calls.detail LIKE '%% records of one call' THEN calls.detail
        ELSE concat_ws('; ', calls.detail, (further.records + 1) || ' records of one call')
    END AS detail,
    calls.found_at,
    coalesce(calls.currency, run.currency) AS currency,
    calls.started_at AS call_started_at,
    calls.switch_record_id,
    calls.switch_date,
    calls.switch_seconds,
    calls.switch_amount,
    calls.carrier_record_id,
    calls.carrier_date,
    calls.carrier_seconds + coalesce(further.seconds, 0) AS carrier_seconds,
    calls.carrier_amount + coalesce(further.amount, 0) AS carrier_amount,
    nullif(decided.decision, 'open') AS decision,
    coalesce(decided.decision_no, 0) AS decision_no,
    decided.reason,
    decided.decided_by,
    decided.decided_at,
    decided.rule_id,
    decided.credit_note,
    noted.assignee,
    noted.notes
FROM reconciled_calls AS calls
INNER JOIN reconciliations AS run
    ON
        run.account_id = calls.account_id
        AND run.account_id = any(%(account_ids)s)
        AND run.carrier = calls.carrier
        AND run.business_date = calls.business_date
        AND run.version = calls.since_version
LEFT JOIN break_decisions AS decided
    ON
        decided.account_id = calls.account_id
        AND decided.account_id = any(%(account_ids)s)
        AND decided.outcome_id = calls.outcome_id
        AND decided.is_newest
LEFT JOIN (
    SELECT
        account_id,
        carrier,
        part_of,
        count(*) AS records,
        sum(carrier_seconds) FILTER (WHERE class <> 'credited') AS seconds,
        sum(carrier_amount) AS amount
    FROM reconciled_calls
    WHERE account_id = any(%(account_ids)s) AND part_of IS NOT NULL AND until_version IS NULL
    GROUP BY account_id, carrier, part_of
) AS further
    ON
        further.account_id = calls.account_id
        AND further.carrier = calls.carrier
        AND further.part_of = calls.switch_record_id
        AND calls.carrier_record_id IS NOT NULL
LEFT JOIN (
    SELECT
        account_id,
        outcome_id,
        (array_agg(assignee ORDER BY note_no DESC) FILTER (WHERE assignee IS NOT NULL))[1] AS assignee,
        string_agg(note, ' / ' ORDER BY note_no) AS notes
    FROM break_notes
    WHERE account_id = any(%(account_ids)s)
    GROUP BY account_id, outcome_id
) AS noted
    ON noted.account_id = calls.account_id AND noted.outcome_id = calls.outcome_id
WHERE
    calls.account_id = any(%(account_ids)s)
    AND calls.business_date BETWEEN %(first_date)s AND %(last_date)s
    AND (%(carrier)s::text IS NULL OR calls.carrier = %(carrier)s)
    AND starts_with(calls.outcome_id, %(id_prefix)s)
    AND calls.is_break
    AND calls.until_version IS NULL
    AND (%(classes)s::text [] = '{{}}' OR calls.class = any(%(classes)s))
    AND (%(causes)s::text [] = '{{}}' OR calls.cause = any(%(causes)s))
    AND (%(states)s::text [] = '{{}}' OR coalesce(decided.decision, 'open') = any(%(states)s))
    AND (%(destination)s::text IS NULL OR calls.destination = %(destination)s)
    AND (%(below)s::numeric IS NULL OR abs(calls.exposure) < %(below)s)
    AND (%(at_least)s::numeric IS NULL OR calls.exposure >= %(at_least)s)
    AND (%(currency)s::text IS NULL OR coalesce(calls.currency, run.currency) = %(currency)s)
    AND (%(assignee)s::text IS NULL OR noted.assignee = %(assignee)s)
ORDER BY calls.exposure DESC, calls.business_date, calls.started_at, calls.outcome_id
LIMIT %(most)s

-- Name:        legs_of_breaks
-- Purpose:     the switch's records of breaks, by their keys.
-- Parameters:  account_ids, record_ids, business_dates (arrays).   Grain: account_id, record_id.   Locks: none.
SELECT
    account_id,
    record_id,
    business_date,
    caller_id_name,
    call_id AS switch_call_id,
    caller_id_number AS switch_caller,
    callee_id_number AS switch_callee,
    started_at AS switch_started_at,
    answered_at AS switch_answered_at
FROM cdr
WHERE
    account_id = any(%(account_ids)s)
    AND origin = 'api'
    AND record_id = any(%(record_ids)s::text [])
    AND business_date = any(%(business_dates)s::date [])

-- Name:        records_of_breaks
-- Purpose:     a carrier's records of breaks as delivered, by their keys, with their file.
-- Parameters:  account_ids, record_ids, business_dates (arrays).   Grain: account_id, record_id.   Locks: none.
SELECT
    record.account_id,
    record.record_id,
    record.business_date,
    record.caller_id_name,
    record.call_id AS carrier_call_id,
    record.caller_id_number AS carrier_caller,
    record.callee_id_number AS carrier_callee,
    record.started_at AS carrier_started_at,
    record.answered_at AS carrier_answered_at,
    record.rate AS carrier_rate,
    record.cost_currency AS carrier_currency,
    upload.file_name AS carrier_file,
    record.source_line AS carrier_line
FROM cdr AS record
LEFT JOIN batches AS batch
    ON batch.account_id = record.account_id AND batch.batch_id = record.batch_id
LEFT JOIN uploads AS upload
    ON upload.account_id = batch.account_id AND upload.sha256 = batch.source
WHERE
    record.account_id = any(%(account_ids)s)
    AND record.origin = 'imported'
    AND record.record_id = any(%(record_ids)s::text [])
    AND record.business_date = any(%(business_dates)s::date [])
