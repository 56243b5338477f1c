-- Name:        calendar
-- Purpose:     days with their state, collection and reconciliation, without counting records.
-- Parameters:  account_ids (array), first_date, last_date; only_action: without days that are in order.
-- Grain:       account_id, business_date.   Locks: none.
-- Each table is read on its own first: a cluster joins aggregates of distributed tables in fewer ways than one server.
WITH newest AS MATERIALIZED (
    SELECT DISTINCT ON (run.account_id, run.carrier, run.business_date)
        run.account_id,
        run.carrier,
        run.business_date,
        run.status,
        run.light,
        run.breaks,
        run.unverified
    FROM reconciliations AS run
    INNER JOIN days ON days.account_id = run.account_id AND days.business_date = run.business_date
    WHERE
        run.account_id = any(%(account_ids)s)
        AND run.business_date BETWEEN %(first_date)s AND %(last_date)s
        -- A reconciliation makes only an open day need action.
        AND (NOT %(only_action)s OR days.state = 'open')
    ORDER BY run.account_id, run.carrier, run.business_date, run.version DESC
),

undecided AS MATERIALIZED (
    SELECT
        calls.account_id,
        calls.carrier,
        calls.business_date,
        count(*) AS breaks
    FROM reconciled_calls AS calls
    LEFT JOIN break_decisions AS decided
        ON decided.account_id = calls.account_id AND decided.outcome_id = calls.outcome_id AND decided.is_newest
    WHERE
        calls.account_id = any(%(account_ids)s)
        AND calls.business_date BETWEEN %(first_date)s AND %(last_date)s
        AND calls.is_break
        AND calls.until_version IS NULL
        AND coalesce(decided.decision, 'open') = 'open'
    GROUP BY calls.account_id, calls.carrier, calls.business_date
),

verdicts AS MATERIALIZED (
    SELECT
        newest.account_id,
        newest.business_date,
        count(*) FILTER (
            WHERE
                newest.status = 'final'
                AND newest.light = 'red'
                AND (newest.unverified OR newest.breaks = 0 OR undecided.breaks > 0)
        ) AS red,
        count(*) FILTER (WHERE newest.status = 'final' AND newest.light = 'red') AS final_red,
        count(*) FILTER (WHERE newest.status = 'provisional') AS provisional,
        count(*) AS carriers,
        coalesce(sum(undecided.breaks), 0)::bigint AS breaks
    FROM newest
    LEFT JOIN undecided
        ON
            undecided.account_id = newest.account_id
            AND undecided.carrier = newest.carrier
            AND undecided.business_date = newest.business_date
    GROUP BY newest.account_id, newest.business_date
),

failed AS MATERIALIZED (
    SELECT
        account_id,
        business_date,
        count(*) AS failed_windows
    FROM windows
    WHERE
        account_id = any(%(account_ids)s)
        AND business_date BETWEEN %(first_date)s AND %(last_date)s
        AND state = 'failed'
    GROUP BY account_id, business_date
)

SELECT
    days.account_id,
    days.business_date,
    CASE
        WHEN days.state <> 'open' AND days.exported_changes < days.changes THEN 'late_pending'
        ELSE days.state
    END AS state,
    days.version,
    days.collected_at IS NOT NULL AND coalesce(failed.failed_windows, 0) = 0 AS whole,
    days.volume,
    coalesce(failed.failed_windows, 0) AS failed_windows,
    coalesce(verdicts.carriers, 0) AS carriers,
    coalesce(verdicts.red, 0) AS red,
    coalesce(verdicts.final_red - verdicts.red, 0) AS settled,
    coalesce(verdicts.provisional, 0) AS provisional,
    coalesce(verdicts.breaks, 0) AS breaks
FROM days
LEFT JOIN verdicts ON verdicts.account_id = days.account_id AND verdicts.business_date = days.business_date
LEFT JOIN failed ON failed.account_id = days.account_id AND failed.business_date = days.business_date
WHERE
    days.account_id = any(%(account_ids)s)
    AND days.business_date BETWEEN %(first_date)s AND %(last_date)s
    AND (
        NOT %(only_action)s
        OR CASE
            WHEN days.state <> 'open' THEN days.exported_changes < days.changes
            ELSE
                days.collected_at IS NULL
                OR days.volume IN ('thin', 'empty')
                OR failed.failed_windows > 0
                OR verdicts.red > 0
        END
    )
ORDER BY days.account_id, days.business_date

-- Name:        day_counts
-- Purpose:     number of days by date and state, late ones with those whose files have changed.
-- Parameters:  account_ids (array), first_date, last_date.   Grain: business_date, state.   Locks: none.
SELECT
    business_date,
    state,
    count(*) AS days
FROM days
WHERE account_id = any(%(account_ids)s) AND business_date BETWEEN %(first_date)s AND %(last_date)s
GROUP BY business_date, state
