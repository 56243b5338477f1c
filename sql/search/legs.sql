-- Purpose:     all legs of an interaction, or of the interaction or bridge that a leg belongs to, oldest first.
-- Parameters:  account_id; identity: an interaction's id, or a record's; row_limit.   Grain: a leg.   Locks: none.
WITH asked AS (
    SELECT
        interaction_id,
        call_id,
        coalesce(bridge_id, call_id) AS bridge
    FROM cdr_merged
    WHERE account_id = %(account_id)s AND record_id = %(identity)s
    ORDER BY origin
    LIMIT 1
)

SELECT record.*
FROM cdr_merged AS record
WHERE
    record.account_id = %(account_id)s
    AND (
        record.interaction_id = coalesce((SELECT asked.interaction_id FROM asked), %(identity)s)
        OR record.record_id = %(identity)s
        OR (
            (SELECT asked.interaction_id FROM asked) IS NULL
            AND (
                record.call_id = (SELECT asked.bridge FROM asked)
                OR record.bridge_id = (SELECT asked.bridge FROM asked)
            )
        )
    )
ORDER BY record.started_at, record.record_id, record.origin
LIMIT %(row_limit)s
