-- Purpose:     all legs of an interaction, or of the interaction or bridge that a leg belongs to, oldest first.
-- Parameters:  account_id; identity: an interaction's id, or a record's; row_limit.   Grain: a leg.   Locks: none.
-- Keys are found by index first, each in a way of its own: a condition on the merged columns, or one that joins the
-- ways by OR, would read the whole account; so would COALESCE outside of a subquery, which counts as leaking. A leg that
-- names its interaction is found by that, never by its bridge.
WITH asked AS (
    SELECT
        interaction_id,
        CASE WHEN interaction_id IS NULL THEN coalesce(bridge_id, call_id) END AS bridge
    FROM cdr_merged
    WHERE
        account_id = %(account_id)s
        AND (leg_origin, record_id, business_date) IN (
            SELECT
                origin,
                record_id,
                business_date
            FROM cdr
            WHERE account_id = %(account_id)s AND origin IN ('api', 'imported') AND record_id = %(identity)s
        )
    ORDER BY origin
    LIMIT 1
),

found AS (
    SELECT
        origin,
        record_id,
        business_date
    FROM cdr
    WHERE
        account_id = %(account_id)s
        AND interaction_id = (SELECT coalesce((SELECT asked.interaction_id FROM asked), %(identity)s))
    UNION ALL
    SELECT
        origin,
        record_id,
        business_date
    FROM cdr
    WHERE account_id = %(account_id)s AND origin IN ('api', 'imported') AND record_id = %(identity)s
    UNION ALL
    SELECT
        origin,
        record_id,
        business_date
    FROM cdr
    WHERE account_id = %(account_id)s AND call_id = (SELECT asked.bridge FROM asked)
    UNION ALL
    SELECT
        origin,
        record_id,
        business_date
    FROM cdr
    WHERE
        account_id = %(account_id)s
        AND interaction_id IS NULL
        AND bridge_id IS NOT NULL
        AND bridge_id = (SELECT asked.bridge FROM asked)
)

SELECT *
FROM cdr_merged
WHERE
    account_id = %(account_id)s
    AND (leg_origin, record_id, business_date) IN (
        SELECT
            found.origin,
            found.record_id,
            found.business_date
        FROM found
        UNION ALL
        SELECT
            'api' AS origin,
            link.api_record_id,
            link.api_business_date
        FROM found
        INNER JOIN cdr_links AS link
            ON link.account_id = %(account_id)s AND link.imported_record_id = found.record_id
        WHERE found.origin = 'imported'
    )
ORDER BY started_at, record_id, origin
LIMIT %(row_limit)s
