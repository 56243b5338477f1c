-- Name:        charges
-- Purpose:     what a carrier charges and what our legs cost by agreement, from the newest reconciliations.
-- Parameters:  account_ids (array), carrier, first_date, last_date, time_zone.
-- Grain:       account, load, local day, destination, direction, rate, class, decision, credit note, currency.   Locks: none.
SELECT
    calls.account_id,
    record.batch_id::text AS load_id,
    batch.loaded_at,
    ((coalesce(record.started_at, calls.started_at)) AT TIME ZONE %(time_zone)s)::date AS day,
    calls.destination,
    coalesce(record.rate_name, '') AS carrier_destination,
    coalesce(record.call_direction, leg.call_direction, '') AS direction,
    record.rate,
    calls.class AS match_class,
    coalesce(decided.decision, 'open') AS state,
    coalesce(decided.credit_note, '') AS credit_note,
    coalesce(upper(record.cost_currency), run.currency) AS currency,
    count(calls.switch_record_id) AS legs,
    count(calls.carrier_record_id) AS records,
    coalesce(sum(calls.switch_seconds), 0) AS leg_seconds,
    coalesce(sum(calls.carrier_seconds), 0) AS record_seconds,
    coalesce(sum(calls.carrier_amount), 0) AS charged,
    coalesce(sum(calls.expected_amount) FILTER (WHERE calls.switch_record_id IS NOT NULL), 0) AS agreed,
    count(calls.expected_amount) FILTER (WHERE calls.switch_record_id IS NOT NULL) AS priced_legs,
    coalesce(
        sum(greatest(calls.exposure, 0)) FILTER (WHERE calls.is_break AND calls.carrier_record_id IS NOT NULL), 0
    ) AS too_much,
    coalesce(
        sum(greatest(-calls.exposure, 0)) FILTER (WHERE calls.is_break AND calls.carrier_record_id IS NOT NULL), 0
    ) AS too_little,
    coalesce(
        sum(calls.switch_amount) FILTER (
            WHERE
                calls.carrier_record_id IS NOT NULL
                AND coalesce(upper(leg.cost_currency), run.currency)
                = coalesce(upper(record.cost_currency), run.currency)
        ),
        0
    ) AS customer_price,
    coalesce(
        sum(calls.carrier_amount) FILTER (
            WHERE
                calls.switch_amount IS NOT NULL
                AND coalesce(upper(leg.cost_currency), run.currency)
                = coalesce(upper(record.cost_currency), run.currency)
        ),
        0
    ) AS cost_of_priced,
    coalesce(sum(greatest(-calls.carrier_amount, 0)), 0) AS credits
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
LEFT JOIN break_decisions AS decided
    ON decided.account_id = calls.account_id AND decided.outcome_id = calls.outcome_id AND decided.is_newest
WHERE
    calls.account_id = any(%(account_ids)s)
    AND calls.carrier = %(carrier)s
    AND calls.business_date BETWEEN %(first_date)s AND %(last_date)s
    AND calls.until_version IS NULL
GROUP BY
    calls.account_id,
    record.batch_id,
    batch.loaded_at,
    ((coalesce(record.started_at, calls.started_at)) AT TIME ZONE %(time_zone)s)::date,
    calls.destination,
    coalesce(record.rate_name, ''),
    coalesce(record.call_direction, leg.call_direction, ''),
    record.rate,
    calls.class,
    coalesce(decided.decision, 'open'),
    coalesce(decided.credit_note, ''),
    coalesce(upper(record.cost_currency), run.currency)
ORDER BY calls.account_id, day, calls.destination, calls.class, load_id

-- Name:        changes
-- Purpose:     calls of a period whose records came or were corrected after a moment, by destination, and decisions
--              about its breaks after it.
-- Parameters:  account_ids (array), carrier, first_date, last_date, time_zone, since.
-- Grain:       kind, what, currency.   Locks: none.
WITH calls AS (
    SELECT
        called.account_id,
        called.outcome_id,
        called.destination,
        called.exposure,
        called.carrier_amount,
        called.carrier_record_id,
        coalesce(upper(record.cost_currency), called.currency, run.currency) AS unit,
        coalesce(batch.loaded_at > %(since)s, FALSE) AS is_later,
        decided.decision,
        coalesce(decided.decided_at > %(since)s, FALSE) AS is_decided_later
    FROM reconciled_calls AS called
    INNER JOIN reconciliations AS run
        ON
            run.account_id = called.account_id
            AND run.carrier = called.carrier
            AND run.business_date = called.business_date
            AND run.version = called.since_version
    LEFT JOIN cdr AS record
        ON
            record.account_id = called.account_id
            AND record.origin = 'imported'
            AND record.record_id = called.carrier_record_id
            AND record.business_date = called.carrier_date
    LEFT JOIN batches AS batch
        ON batch.account_id = record.account_id AND batch.batch_id = record.batch_id
    LEFT JOIN break_decisions AS decided
        ON decided.account_id = called.account_id AND decided.outcome_id = called.outcome_id AND decided.is_newest
    WHERE
        called.account_id = any(%(account_ids)s)
        AND called.carrier = %(carrier)s
        AND called.business_date BETWEEN %(first_date)s::date - 2 AND %(last_date)s::date + 2
        AND called.until_version IS NULL
        AND ((coalesce(record.started_at, called.started_at)) AT TIME ZONE %(time_zone)s)::date
        BETWEEN %(first_date)s AND %(last_date)s
),

before AS (
    SELECT DISTINCT ON (account_id, record_id)
        account_id,
        record_id,
        cost,
        changed_at
    FROM cdr_history
    WHERE account_id = any(%(account_ids)s) AND origin = 'imported' AND replaced_at > %(since)s
    ORDER BY account_id, record_id, replaced_at
)

SELECT
    CASE WHEN before.changed_at <= %(since)s THEN 'corrected' ELSE 'new' END AS kind,
    calls.destination AS what,
    calls.unit AS currency,
    count(*) AS calls,
    coalesce(sum(calls.carrier_amount), 0) AS amount,
    coalesce(sum(before.cost) FILTER (WHERE before.changed_at <= %(since)s), 0) AS amount_before
FROM calls
LEFT JOIN before
    ON before.account_id = calls.account_id AND before.record_id = calls.carrier_record_id
WHERE calls.is_later
GROUP BY
    CASE WHEN before.changed_at <= %(since)s THEN 'corrected' ELSE 'new' END,
    calls.destination,
    calls.unit
UNION ALL
SELECT
    'decided' AS kind,
    decision AS what,
    unit AS currency,
    count(*) AS calls,
    coalesce(sum(greatest(exposure, 0)), 0) AS amount,
    0 AS amount_before
FROM calls
WHERE is_decided_later
GROUP BY decision, unit
ORDER BY kind, currency, what

-- Name:        credit_notes
-- Purpose:     credit notes of a carrier.
-- Parameters:  account_ids (array), carrier.   Grain: account_id, number.   Locks: none.
SELECT
    account_id,
    credit_note AS number,
    amount,
    currency,
    used
FROM credit_notes
WHERE account_id = any(%(account_ids)s) AND carrier = %(carrier)s
ORDER BY recorded_at, account_id, credit_note

-- Name:        invoices
-- Purpose:     invoices of accounts: the newest version of each, or all versions.
-- Parameters:  account_ids (array); carrier or null; number or null; every_version.
-- Grain:       account_id, carrier, number, version.   Locks: none.
SELECT
    item.account_id,
    item.carrier,
    item.number,
    item.version,
    item.first_date,
    item.last_date,
    item.time_zone,
    item.issued_on,
    item.file_name,
    item.reason,
    item.entered_by,
    item.entered_at
FROM invoices AS item
WHERE
    item.account_id = any(%(account_ids)s)
    AND (%(carrier)s::text IS NULL OR item.carrier = %(carrier)s)
    AND (%(number)s::text IS NULL OR item.number = %(number)s)
    AND (
        %(every_version)s
        OR NOT EXISTS (
            SELECT 1
            FROM invoices AS later
            WHERE
                later.account_id = item.account_id
                AND later.carrier = item.carrier
                AND later.number = item.number
                AND later.version > item.version
        )
    )
ORDER BY item.first_date, item.carrier, item.number, item.account_id, item.version

-- Name:        lines
-- Purpose:     lines of one version of an invoice.
-- Parameters:  account_id, carrier, number, version.   Grain: line_no.   Locks: none.
SELECT
    line_no,
    kind,
    destination,
    rate,
    day,
    direction,
    calls,
    minutes,
    amount,
    currency
FROM invoice_lines
WHERE account_id = %(account_id)s AND carrier = %(carrier)s AND number = %(number)s AND version = %(version)s
ORDER BY line_no

-- Name:        newest_hash
-- Purpose:     newest version of an invoice and the hash of its content.
-- Parameters:  account_id, carrier, number.   Grain: one row or none.   Locks: none.
SELECT
    version,
    content_hash
FROM invoices
WHERE account_id = %(account_id)s AND carrier = %(carrier)s AND number = %(number)s
ORDER BY version DESC
LIMIT 1

-- Name:        record_invoice
-- Purpose:     add a version of an invoice; earlier versions stay.
-- Parameters:  as named.   Grain: account_id, carrier, number, version.
-- Locks:       the row; the caller holds the account's advisory lock.   Idempotent: no.
INSERT INTO invoices (
    account_id, carrier, number, version, first_date, last_date, time_zone, issued_on, content_hash, file_name, reason,
    entered_by, entered_at
) VALUES (
    %(account_id)s, %(carrier)s, %(number)s, %(version)s, %(first_date)s, %(last_date)s, %(time_zone)s, %(issued_on)s,
    %(content_hash)s, %(file_name)s, %(reason)s, %(entered_by)s, %(now)s
)

-- Name:        record_line
-- Purpose:     add a line to a version of an invoice, in the transaction that adds the version.
-- Parameters:  as named.   Grain: account_id, carrier, number, version, line_no.   Locks: the row.   Idempotent: no.
INSERT INTO invoice_lines (
    account_id, carrier, number, version, line_no, kind, destination, rate, day, direction, calls, minutes, amount,
    currency
) VALUES (
    %(account_id)s, %(carrier)s, %(number)s, %(version)s, %(line_no)s, %(kind)s, %(destination)s, %(rate)s, %(day)s,
    %(direction)s, %(calls)s, %(minutes)s, %(amount)s, %(currency)s
)

-- Name:        reconciled_days
-- Purpose:     newest reconciliations of a carrier: charge, money at risk and light of each day, over accounts.
-- Parameters:  account_ids (array), carrier, first_date, last_date.   Grain: business_date, currency.   Locks: none.
WITH newest AS MATERIALIZED (
    SELECT DISTINCT ON (account_id, business_date)
        business_date,
        currency,
        profile,
        exposure,
        light = 'green' AND status = 'final' AS is_green,
        coalesce(carrier_amount, 0) AS charged
    FROM reconciliations
    WHERE
        account_id = any(%(account_ids)s)
        AND carrier = %(carrier)s
        AND business_date BETWEEN %(first_date)s AND %(last_date)s
    ORDER BY account_id, business_date, version DESC
)

SELECT
    business_date,
    currency,
    bool_and(is_green) AS is_green,
    min(profile) AS profile,
    sum(charged) AS charged,
    sum(exposure) AS exposure
FROM newest
GROUP BY business_date, currency
ORDER BY business_date, currency

-- Name:        charged_months
-- Purpose:     newest reconciliations, summed by carrier, month and currency over accounts.
-- Parameters:  account_ids (array), first_date, last_date.   Grain: carrier, month, currency.   Locks: none.
WITH newest AS MATERIALIZED (
    SELECT DISTINCT ON (account_id, carrier, business_date)
        carrier,
        currency,
        status,
        light,
        exposure,
        date_trunc('month', business_date::timestamp)::date AS month,
        coalesce(carrier_amount, 0) AS charged
    FROM reconciliations
    WHERE
        account_id = any(%(account_ids)s)
        AND business_date BETWEEN %(first_date)s AND %(last_date)s
    ORDER BY account_id, carrier, business_date, version DESC
)

SELECT
    carrier,
    month,
    currency,
    sum(charged) AS charged,
    sum(exposure) AS at_risk,
    count(*) AS days,
    count(*) FILTER (WHERE light = 'red' OR status = 'provisional') AS red_days
FROM newest
GROUP BY carrier, month, currency
ORDER BY carrier, month, currency

-- Name:        invoiced_months
-- Purpose:     newest versions of invoices, summed by carrier, month and currency without tax over accounts.
-- Parameters:  account_ids (array), first_date, last_date.   Grain: carrier, month, currency.   Locks: none.
WITH newest AS MATERIALIZED (
    SELECT DISTINCT ON (account_id, carrier, number)
        account_id,
        carrier,
        number,
        version,
        first_date
    FROM invoices
    WHERE account_id = any(%(account_ids)s)
    ORDER BY account_id, carrier, number, version DESC
),

lines AS MATERIALIZED (
    SELECT
        account_id,
        carrier,
        number,
        version,
        currency,
        sum(amount) FILTER (WHERE kind <> 'tax') AS amount
    FROM invoice_lines
    WHERE account_id = any(%(account_ids)s)
    GROUP BY account_id, carrier, number, version, currency
)

SELECT
    newest.carrier,
    lines.currency,
    date_trunc('month', newest.first_date::timestamp)::date AS month,
    count(*) AS invoices,
    coalesce(sum(lines.amount), 0) AS invoiced
FROM newest
INNER JOIN lines
    ON
        lines.account_id = newest.account_id
        AND lines.carrier = newest.carrier
        AND lines.number = newest.number
        AND lines.version = newest.version
WHERE newest.first_date BETWEEN %(first_date)s AND %(last_date)s
GROUP BY newest.carrier, lines.currency, date_trunc('month', newest.first_date::timestamp)::date
ORDER BY newest.carrier, month, lines.currency

-- Name:        carriers_of_accounts
-- Purpose:     carriers that were reconciled for accounts since a business date.
-- Parameters:  account_ids (array), first_date.   Grain: account_id, carrier, currency.   Locks: none.
SELECT DISTINCT
    account_id,
    carrier,
    currency
FROM reconciliations
WHERE account_id = any(%(account_ids)s) AND business_date >= %(first_date)s
ORDER BY account_id, carrier, currency
