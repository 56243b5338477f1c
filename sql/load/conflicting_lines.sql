-- Purpose:     lines of a file that a later line with the same id contradicts in what is charged or how the call ended.
-- Parameters:  account_id, batch_id.   Grain: source_line.   Locks: none.
SELECT source_line AS line
FROM (
    SELECT
        source_line,
        last_value(source_line) OVER same_id AS last_line,
        ROW(
            started_at, answered_at, ended_at, duration_seconds, billing_seconds, answered, hangup_cause, disposition,
            cost, cost_currency, rate
        ) AS told,
        last_value(
            ROW(
                started_at, answered_at, ended_at, duration_seconds, billing_seconds, answered, hangup_cause,
                disposition, cost, cost_currency, rate
            )
        ) OVER same_id AS told_last,
        list_digest,
        last_value(list_digest) OVER same_id AS last_digest
    FROM cdr_stage
    WHERE account_id = %(account_id)s AND batch_id = %(batch_id)s
    WINDOW same_id AS (
        PARTITION BY account_id, record_id ORDER BY source_line
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
) AS ranked
WHERE source_line <> last_line AND list_digest <> last_digest AND told IS DISTINCT FROM told_last
ORDER BY source_line
