-- Name:        add_credit_note
-- Purpose:     record a carrier's credit note.
-- Parameters:  account_id, carrier, credit_note, amount, currency, used, recorded_by, now.
-- Grain:       account_id, carrier, credit_note.   Locks: the row written.   Idempotent: yes; a second one is no row.
INSERT INTO credit_notes (account_id, carrier, credit_note, amount, currency, used, recorded_by, recorded_at)
VALUES (
    %(account_id)s, %(carrier)s, %(credit_note)s, %(amount)s, %(currency)s, %(used)s, %(recorded_by)s, %(now)s
)
ON CONFLICT (account_id, carrier, credit_note) DO NOTHING

-- Name:        add_decisions
-- Purpose:     add a decision about each break, unless it has another number of decisions than expected.
-- Parameters:  account_id, outcome_ids and expected (arrays of equal length), decisions and reasons (same length),
--              decided_by, rule_id, credit_note, now.
-- Grain:       account_id, outcome_id, decision_no.   Locks: the rows written; of two at once, the second writes none.
-- Idempotent:  yes, by the expected numbers.
INSERT INTO break_decisions (
    account_id, outcome_id, decision_no, decision, reason, decided_by, decided_at, rule_id, credit_note, is_newest
)
SELECT
    %(account_id)s,
    wanted.outcome_id,
    wanted.expected + 1,
    wanted.decision,
    wanted.reason,
    %(decided_by)s,
    %(now)s,
    %(rule_id)s,
    %(credit_note)s,
    true
FROM unnest(%(outcome_ids)s::text [], %(expected)s::integer [], %(decisions)s::text [], %(reasons)s::text [])
    AS wanted (outcome_id, expected, decision, reason)
ON CONFLICT DO NOTHING
RETURNING outcome_id

-- Name:        add_note
-- Purpose:     add a note about a break, or the person who is in charge of it; earlier notes stay.
-- Parameters:  account_id, outcome_id, note and assignee (either may be null), noted_by, now.
-- Grain:       account_id, outcome_id, note_no.   Locks: the row written; of two at once, the second fails.
-- Idempotent:  no.
INSERT INTO break_notes (account_id, outcome_id, note_no, note, assignee, noted_by, noted_at)
SELECT
    %(account_id)s,
    %(outcome_id)s,
    coalesce(max(note_no), 0) + 1,
    %(note)s,
    %(assignee)s,
    %(noted_by)s,
    %(now)s
FROM break_notes
WHERE account_id = %(account_id)s AND outcome_id = %(outcome_id)s

-- Name:        add_rule
-- Purpose:     add a rule that decides breaks at every reconciliation.
-- Parameters:  as named.   Grain: account_id, rule_id.   Locks: the row written.   Idempotent: no.
INSERT INTO decision_rules (
    account_id, rule_id, carrier, classes, causes, destination, below, at_least, currency, decision, reason, created_by,
    created_at
)
VALUES (
    %(account_id)s, %(rule_id)s, %(carrier)s, %(classes)s, %(causes)s, %(destination)s, %(below)s, %(at_least)s,
    %(currency)s, %(decision)s, %(reason)s, %(created_by)s, %(now)s
)

-- Name:        apply_rule
-- Purpose:     decide the breaks of an account that a rule covers and that have no decision yet. Breaks that were
--              opened again stay open.
-- Parameters:  the rule's columns; business_date and of_carrier, or null for all; now.
-- Grain:       account_id, outcome_id.   Locks: the rows written.   Idempotent: yes.
INSERT INTO break_decisions (
    account_id, outcome_id, decision_no, decision, reason, decided_by, decided_at, rule_id, is_newest
)
SELECT DISTINCT
    calls.account_id,
    calls.outcome_id,
    1,
    %(decision)s,
    %(reason)s,
    %(created_by)s,
    %(now)s::timestamptz,
    %(rule_id)s,
    true
FROM reconciled_calls AS calls
INNER JOIN reconciliations AS run
    ON
        run.account_id = calls.account_id
        AND run.carrier = calls.carrier
        AND run.business_date = calls.business_date
        AND run.version = calls.since_version
WHERE
    calls.account_id = %(account_id)s
    AND (%(business_date)s::date IS NULL OR calls.business_date = %(business_date)s)
    AND (%(of_carrier)s::text IS NULL OR calls.carrier = %(of_carrier)s)
    AND calls.is_break
    AND calls.until_version IS NULL
    AND (%(carrier)s::text IS NULL OR calls.carrier = %(carrier)s)
    AND (%(classes)s::text [] = '{{}}' OR calls.class = any(%(classes)s))
    AND (calls.class <> 'unpriced' OR 'unpriced' = any(%(classes)s::text []))
    AND (%(causes)s::text [] = '{{}}' OR calls.cause = any(%(causes)s))
    AND (%(destination)s::text IS NULL OR calls.destination = %(destination)s)
    AND (%(below)s::numeric IS NULL OR abs(calls.exposure) < %(below)s)
    AND (%(at_least)s::numeric IS NULL OR calls.exposure >= %(at_least)s)
    AND (%(currency)s::text IS NULL OR coalesce(calls.currency, run.currency) = %(currency)s)
    AND NOT EXISTS (
        SELECT 1
        FROM break_decisions AS decided
        WHERE decided.account_id = calls.account_id AND decided.outcome_id = calls.outcome_id
    )
ON CONFLICT DO NOTHING

-- Name:        days_changed_since
-- Purpose:     days of whose breaks some were decided, or that were reconciled, since a time.
-- Parameters:  account_ids (array), since.   Grain: business_date.   Locks: none.
SELECT calls.business_date
FROM break_decisions AS decided
INNER JOIN reconciled_calls AS calls
    ON calls.account_id = decided.account_id AND calls.outcome_id = decided.outcome_id
WHERE
    decided.account_id = any(%(account_ids)s)
    AND decided.decided_at >= %(since)s
    AND calls.is_break
    AND calls.until_version IS NULL
UNION
SELECT business_date
FROM reconciliations
WHERE account_id = any(%(account_ids)s) AND reconciled_at >= %(since)s
ORDER BY business_date

-- Name:        decision_sums
-- Purpose:     breaks of the newest version of each carrier's day by decision and currency; too much and too little
--              are not netted.
-- Parameters:  account_id, business_date; carrier or null.   Grain: carrier, state, currency.   Locks: none.
SELECT
    calls.carrier,
    coalesce(decided.decision, 'open') AS state,
    coalesce(calls.currency, run.currency) AS currency,
    count(*) AS breaks,
    sum(greatest(calls.exposure, 0)) AS too_much,
    sum(greatest(-calls.exposure, 0)) AS too_little
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
    AND calls.business_date = %(business_date)s
    AND (%(carrier)s::text IS NULL OR calls.carrier = %(carrier)s)
    AND calls.is_break
    AND calls.until_version IS NULL
GROUP BY calls.carrier, coalesce(decided.decision, 'open'), coalesce(calls.currency, run.currency)
ORDER BY calls.carrier, state, currency

-- Name:        decisions_of
-- Purpose:     decisions about breaks, in order.
-- Parameters:  account_id; outcome_ids (array).   Grain: outcome_id, decision_no.   Locks: none.
SELECT
    outcome_id,
    decision_no,
    decision,
    reason,
    decided_by,
    decided_at,
    rule_id,
    credit_note
FROM break_decisions
WHERE account_id = %(account_id)s AND outcome_id = any(%(outcome_ids)s)
ORDER BY outcome_id, decision_no

-- Name:        end_rule
-- Purpose:     end a rule; it decides nothing any more, and its decisions stay.
-- Parameters:  account_ids (array), rule_id, ended_by, end_reason, now.   Grain: account_id, rule_id.
-- Locks:       the row.   Idempotent: yes.
UPDATE decision_rules SET
    ended_by = %(ended_by)s,
    end_reason = %(end_reason)s,
    ended_at = %(now)s
WHERE account_id = any(%(account_ids)s) AND rule_id = %(rule_id)s AND ended_at IS NULL

-- Name:        notes_of
-- Purpose:     notes about breaks, in order.
-- Parameters:  account_id; outcome_ids (array).   Grain: outcome_id, note_no.   Locks: none.
SELECT
    outcome_id,
    note,
    assignee,
    noted_by,
    noted_at
FROM break_notes
WHERE account_id = %(account_id)s AND outcome_id = any(%(outcome_ids)s)
ORDER BY outcome_id, note_no

-- Name:        replace_decisions
-- Purpose:     mark the decisions that others are to replace, unless a break has another number of decisions.
-- Parameters:  account_id, outcome_ids and expected (arrays of equal length).   Grain: outcome_id.
-- Locks:       the rows; of two at once, the second changes none.   Idempotent: yes.
UPDATE break_decisions AS decided SET is_newest = false
FROM unnest(%(outcome_ids)s::text [], %(expected)s::integer []) AS wanted (outcome_id, expected)
WHERE
    decided.account_id = %(account_id)s
    AND decided.outcome_id = wanted.outcome_id
    AND decided.decision_no = wanted.expected
    AND decided.is_newest

-- Name:        rules
-- Purpose:     rules of accounts, in the order in which they apply.
-- Parameters:  account_ids (array).   Grain: account_id, rule_id.   Locks: none.
SELECT
    account_id,
    rule_id,
    carrier,
    classes,
    causes,
    destination,
    below,
    at_least,
    currency,
    decision,
    reason,
    created_by,
    created_at,
    ended_by,
    end_reason,
    ended_at
FROM decision_rules
WHERE account_id = any(%(account_ids)s)
ORDER BY created_at, rule_id
