-- Purpose:     find, for every record whose link a batch may have changed, the record of the other origin that is the
--              same leg: it has the same call id, starts within a day, and each is the nearest to the other by start,
--              then by duration, then by id. Nothing but the records themselves decides, so the order in which they
--              came does not matter. core/links.py says the same without a database.
-- Parameters:  account_id, batch_id; near_dates (array): the days the batch changed and three to each side, because
--              a changed record decides over its neighbours within a day, and those over theirs.
-- Grain:       account_id, origin, record_id; partner_id is null for a record that has no partner.
-- Locks:       the stage's rows of this batch.   Idempotent: no; the batch's transaction runs it once.
WITH changed AS (
    SELECT account_id, origin, record_id, business_date, call_id
    FROM cdr_stage
    WHERE account_id = %(account_id)s AND batch_id = %(batch_id)s AND NOT believed_equal
    UNION ALL
    SELECT account_id, origin, record_id, business_date, call_id
    FROM cdr_history
    WHERE
        account_id = %(account_id)s
        AND replaced_by = %(batch_id)s
        AND business_date = any(%(near_dates)s::date [])
),

calls AS (
    SELECT DISTINCT account_id, call_id
    FROM changed
    WHERE call_id IS NOT NULL
),

legs AS MATERIALIZED (
    SELECT
        cdr.account_id,
        cdr.origin,
        cdr.record_id,
        cdr.business_date,
        cdr.call_id,
        cdr.started_at,
        cdr.duration_seconds
    FROM calls
    INNER JOIN cdr ON cdr.account_id = calls.account_id AND cdr.call_id = calls.call_id
    WHERE cdr.account_id = %(account_id)s AND cdr.business_date = any(%(near_dates)s::date [])
),

pairs AS (
    SELECT
        api.account_id,
        api.record_id AS api_record_id,
        api.business_date AS api_business_date,
        imported.record_id AS imported_record_id,
        imported.business_date AS imported_business_date,
        row_number() OVER (
            PARTITION BY api.account_id, api.record_id
            ORDER BY
                greatest(api.started_at - imported.started_at, imported.started_at - api.started_at),
                abs(api.duration_seconds - imported.duration_seconds) NULLS LAST,
                imported.record_id COLLATE "C"
        ) AS place_for_api,
        row_number() OVER (
            PARTITION BY imported.account_id, imported.record_id
            ORDER BY
                greatest(api.started_at - imported.started_at, imported.started_at - api.started_at),
                abs(api.duration_seconds - imported.duration_seconds) NULLS LAST,
                api.record_id COLLATE "C"
        ) AS place_for_imported
    FROM legs AS api
    INNER JOIN legs AS imported
        ON
            imported.account_id = api.account_id
            AND imported.call_id = api.call_id
            AND imported.started_at BETWEEN api.started_at - interval '1 day' AND api.started_at + interval '1 day'
    WHERE api.origin = 'api' AND imported.origin = 'imported'
),

partners AS (
    SELECT account_id, 'api' AS origin, api_record_id AS record_id, imported_record_id AS partner_id,
        imported_business_date AS partner_date
    FROM pairs
    WHERE place_for_api = 1 AND place_for_imported = 1
    UNION ALL
    SELECT account_id, 'imported' AS origin, imported_record_id AS record_id, api_record_id AS partner_id,
        api_business_date AS partner_date
    FROM pairs
    WHERE place_for_api = 1 AND place_for_imported = 1
),

concerned AS (
    SELECT account_id, origin, record_id, business_date
    FROM legs
    UNION
    SELECT keys.account_id, keys.origin, keys.record_id, keys.business_date
    FROM changed
    INNER JOIN cdr_keys AS keys
        ON
            keys.account_id = changed.account_id
            AND keys.origin = changed.origin
            AND keys.record_id = changed.record_id
)

INSERT INTO cdr_link_stage (account_id, batch_id, origin, record_id, business_date, partner_id, partner_date)
SELECT
    concerned.account_id,
    %(batch_id)s,
    concerned.origin,
    concerned.record_id,
    concerned.business_date,
    partners.partner_id,
    partners.partner_date
FROM concerned
LEFT JOIN partners
    ON
        partners.account_id = concerned.account_id
        AND partners.origin = concerned.origin
        AND partners.record_id = concerned.record_id
