-- Name:        add_up_parts
-- Purpose:     store the cost of all records of a call in the link of its first record; null for a call of one record or
--              records in several currencies.
-- Parameters:  account_id; api_ids (array).   Grain: account_id, imported_record_id; returns both records' days.
-- Locks:       the rows changed.   Idempotent: yes.
UPDATE cdr_links AS first SET parts_cost = whole.cost
FROM (
    SELECT
        link.account_id,
        link.api_record_id,
        CASE
            WHEN max(link.part_no) > 0 AND count(DISTINCT record.cost_currency) <= 1 THEN sum(record.cost)
        END AS cost
    FROM cdr_links AS link
    INNER JOIN cdr AS record
        ON
            record.account_id = link.account_id
            AND record.origin = 'imported'
            AND record.record_id = link.imported_record_id
            AND record.business_date = link.imported_business_date
    WHERE link.account_id = %(account_id)s AND link.api_record_id = any(%(api_ids)s::text [])
    GROUP BY link.account_id, link.api_record_id
) AS whole
WHERE
    first.account_id = %(account_id)s
    AND whole.account_id = first.account_id
    AND whole.api_record_id = first.api_record_id
    AND first.part_no = 0
    AND first.parts_cost IS DISTINCT FROM whole.cost
RETURNING first.imported_business_date, first.api_business_date

-- Name:        calls_of_changed_parts
-- Purpose:     calls of several records of which a batch has changed or withdrawn one: their stored cost is out of date.
-- Parameters:  account_id, batch_id; dates (array): days of the earlier versions.   Grain: api_record_id.   Locks: none.
SELECT DISTINCT link.api_record_id
FROM cdr_history AS past
INNER JOIN cdr_links AS link
    ON
        link.account_id = past.account_id
        AND link.imported_record_id = past.record_id
WHERE
    past.account_id = %(account_id)s
    AND past.replaced_by = %(batch_id)s
    AND past.origin = 'imported'
    AND past.business_date = any(%(dates)s::date [])
    AND (link.part_no > 0 OR link.parts_cost IS NOT NULL)

-- Name:        copy_days_of_records
-- Purpose:     business dates of records of one origin.
-- Parameters:  account_id, origin, record_ids (array).   Grain: record_id; none for a record that is not stored.
-- Locks:       none.
COPY (
    SELECT
        record_id,
        business_date
    FROM cdr_keys
    WHERE account_id = %(account_id)s AND origin = %(origin)s AND record_id = any(%(record_ids)s::text [])
) TO STDOUT (FORMAT csv)

-- Name:        copy_links_of_records
-- Purpose:     links of records.
-- Parameters:  account_id; imported_ids, api_ids (arrays).   Grain: account_id, imported_record_id.   Locks: none.
COPY (
    SELECT
        imported_record_id,
        api_record_id,
        basis
    FROM cdr_links
    WHERE
        account_id = %(account_id)s
        AND (
            imported_record_id = any(%(imported_ids)s::text [])
            OR (api_record_id = any(%(api_ids)s::text []) AND part_no = 0)
        )
) TO STDOUT (FORMAT csv)

-- Name:        copy_reconciled_links
-- Purpose:     bulk-load links of pairs that reconciliation has matched. COPY goes to the account's node of a cluster
--              directly; INSERT ... SELECT from arrays is computed on the coordinator.
-- Parameters:  none.   Grain: account_id, imported_record_id.
-- Locks:       the rows written; the caller holds the account's advisory lock and has seen that neither record is
--              linked.   Idempotent: no.
COPY cdr_links (
    account_id, imported_record_id, imported_business_date, api_record_id, api_business_date, basis, run_id, linked_at
) FROM STDIN (FORMAT csv)

-- Name:        days_of_changed_legs
-- Purpose:     days of both records of every leg of which a batch changed one: a leg is shown on the day of its API
--              record. Must run before links end, to report the days of former partners. Only legs whose records are
--              on different days matter; they have their own index.
-- Parameters:  account_id, batch_id, origin, moved_from (array of days).   Grain: a pair of days.   Locks: none.
SELECT DISTINCT
    link.imported_business_date,
    link.api_business_date
FROM cdr_links AS link
WHERE
    link.account_id = %(account_id)s
    AND link.imported_business_date <> link.api_business_date
    AND EXISTS (
        SELECT 1
        FROM cdr_history AS past
        WHERE
            past.account_id = link.account_id
            AND past.origin = %(origin)s
            AND past.record_id
            = CASE WHEN %(origin)s = 'imported' THEN link.imported_record_id ELSE link.api_record_id END
            AND past.replaced_by = %(batch_id)s
            AND past.business_date = any(%(moved_from)s::date [])
    )

-- Name:        follow_moved_records
-- Purpose:     update the days stored in links for records that a batch has moved to another day.
-- Parameters:  account_id, batch_id, moved_from (array of days).   Grain: account_id, imported_record_id; returns days.
-- Locks:       the rows changed.   Idempotent: yes.
UPDATE cdr_links AS link SET
    imported_business_date = coalesce(moved.imported_date, link.imported_business_date),
    api_business_date = coalesce(moved.api_date, link.api_business_date)
FROM (
    SELECT
        l.account_id,
        l.imported_record_id,
        max(keys.business_date) FILTER (WHERE keys.origin = 'imported') AS imported_date,
        max(keys.business_date) FILTER (WHERE keys.origin = 'api') AS api_date
    FROM cdr_history AS past
    INNER JOIN cdr_keys AS keys
        ON
            keys.account_id = past.account_id
            AND keys.origin = past.origin
            AND keys.record_id = past.record_id
            AND keys.business_date <> past.business_date
    INNER JOIN cdr_links AS l
        ON
            l.account_id = past.account_id
            AND (
                (past.origin = 'imported' AND l.imported_record_id = past.record_id)
                OR (past.origin = 'api' AND l.api_record_id = past.record_id)
            )
    WHERE
        past.account_id = %(account_id)s
        AND past.replaced_by = %(batch_id)s
        AND past.business_date = any(%(moved_from)s::date [])
    GROUP BY l.account_id, l.imported_record_id
) AS moved
WHERE
    link.account_id = %(account_id)s
    AND moved.account_id = link.account_id
    AND moved.imported_record_id = link.imported_record_id
RETURNING link.imported_business_date, link.api_business_date

-- Name:        has_counterparts
-- Purpose:     whether the account has records of the other origin around the days that a batch changed.
-- Parameters:  account_id, counterpart (the other origin), near_dates (array).   Grain: one row.   Locks: none.
-- The keys answer first for an account that has no such record at all: only they have an index by origin.
SELECT
    EXISTS (
        SELECT 1
        FROM cdr_keys
        WHERE account_id = %(account_id)s AND origin = %(counterpart)s
    )
    AND EXISTS (
        SELECT 1
        FROM cdr
        WHERE account_id = %(account_id)s AND origin = %(counterpart)s AND business_date = any(%(near_dates)s::date [])
    ) AS found

-- Name:        insert_links
-- Purpose:     link the staged pairs, unless they are already linked.
-- Parameters:  account_id, batch_id, run_id, now.   Grain: account_id, imported_record_id; returns both records' days.
-- Locks:       the rows written.   Idempotent: yes.
INSERT INTO cdr_links AS link (
    account_id, imported_record_id, imported_business_date, api_record_id, api_business_date, basis, batch_id, run_id,
    linked_at
)
SELECT
    account_id,
    record_id,
    business_date,
    partner_id,
    partner_date,
    'call_id',
    batch_id,
    %(run_id)s,
    %(now)s
FROM cdr_link_stage
WHERE
    account_id = %(account_id)s
    AND batch_id = %(batch_id)s
    AND origin = 'imported'
    AND partner_id IS NOT NULL
ON CONFLICT (account_id, imported_record_id) DO UPDATE SET
    imported_business_date = excluded.imported_business_date,
    api_business_date = excluded.api_business_date,
    basis = excluded.basis,
    part_no = 0,
    parts_cost = NULL,
    batch_id = excluded.batch_id,
    run_id = excluded.run_id,
    linked_at = excluded.linked_at
WHERE
    link.basis <> excluded.basis
    OR link.imported_business_date <> excluded.imported_business_date
    OR link.api_business_date <> excluded.api_business_date
RETURNING link.imported_business_date, link.api_business_date

-- Name:        reconciled_links
-- Purpose:     links that reconciliation has set for the switch's records of some days.
-- Parameters:  account_id, first_date, last_date.   Grain: account_id, imported_record_id.   Locks: none.
SELECT
    imported_record_id,
    api_record_id
FROM cdr_links
WHERE
    account_id = %(account_id)s
    AND basis = 'reconciled'
    AND part_no = 0
    AND api_business_date BETWEEN %(first_date)s AND %(last_date)s
ORDER BY imported_record_id

-- Name:        set_parts
-- Purpose:     link further imported records of calls to the API record of the call, if both records exist, the call is
--              linked and the record is not.
-- Parameters:  account_id, run_id, now; arrays of equal length imported_ids, api_ids.
-- Grain:       account_id, imported_record_id; returns both records' days.   Locks: the rows written.   Idempotent: yes.
INSERT INTO cdr_links (
    account_id, imported_record_id, imported_business_date, api_record_id, api_business_date, basis, part_no, run_id,
    linked_at
)
SELECT
    keys.account_id,
    keys.record_id,
    keys.business_date,
    first.api_record_id,
    first.api_business_date,
    'reconciled',
    most.part_no + row_number() OVER (PARTITION BY first.api_record_id ORDER BY keys.record_id COLLATE "C"),
    %(run_id)s,
    %(now)s
FROM unnest(%(imported_ids)s::text [], %(api_ids)s::text []) AS wanted (imported_record_id, api_record_id)
INNER JOIN cdr_keys AS keys
    ON
        keys.account_id = %(account_id)s
        AND keys.origin = 'imported'
        AND keys.record_id = wanted.imported_record_id
INNER JOIN cdr_links AS first
    ON
        first.account_id = keys.account_id
        AND first.api_record_id = wanted.api_record_id
        AND first.part_no = 0
INNER JOIN (
    SELECT
        account_id,
        api_record_id,
        max(part_no) AS part_no
    FROM cdr_links
    WHERE account_id = %(account_id)s AND api_record_id = any(%(api_ids)s::text [])
    GROUP BY account_id, api_record_id
) AS most
    ON most.account_id = first.account_id AND most.api_record_id = first.api_record_id
WHERE
    NOT EXISTS (
        SELECT 1
        FROM cdr_links AS linked
        WHERE linked.account_id = keys.account_id AND linked.imported_record_id = keys.record_id
    )
RETURNING imported_business_date, api_business_date

-- Name:        stage_copied
-- Purpose:     stage what stage_links needs of the records that a batch has inserted without the stage. Read from the
--              table itself, they would seem few: statistics do not know a day that is newer than they are.
-- Parameters:  account_id, batch_id; copied_dates (array): days of these records.   Grain: account_id, record_id.
-- Locks:       none beyond the rows written.   Idempotent: no; the batch's transaction runs it once.
INSERT INTO cdr_stage (
    account_id, origin, record_id, business_date, call_id, has_detail, list_digest, row_digest, batch_id, source_line,
    believed_equal
)
SELECT
    account_id,
    origin,
    record_id,
    business_date,
    call_id,
    has_detail,
    list_digest,
    row_digest,
    batch_id,
    source_line,
    false
FROM cdr
WHERE
    account_id = %(account_id)s
    AND batch_id = %(batch_id)s
    AND business_date = any(%(copied_dates)s::date [])

-- Name:        stage_links
-- Purpose:     find, for every record whose link a batch may have changed, the record of the other origin that is the
--              same leg: it has the same call id, starts within a day, and each is the nearest to the other by start,
--              then by duration, then by id. Nothing but the records themselves decides, so the order in which they
--              came does not matter. core/links.py says the same without a database.
-- Parameters:  account_id, batch_id; near_dates (array): the days the batch changed and three to each side, because
--              a changed record decides over its neighbours within a day, and those over theirs; first_date,
--              last_date: the whole months of these days.
-- Grain:       account_id, origin, record_id; partner_id is null for a record that has no partner.
-- Locks:       the stage's rows of this batch.   Idempotent: no; the batch's transaction runs it once.
-- Statistics do not know a day that is newer than they are: the planner would expect no record on it, and compare each of
-- its records with each other one. COALESCE hides the days from the estimate.
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
    WHERE
        cdr.account_id = %(account_id)s
        AND cdr.business_date BETWEEN %(first_date)s AND %(last_date)s
        AND coalesce(cdr.business_date = any(%(near_dates)s::date []), false)
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

-- Name:        unlinked_pairs
-- Purpose:     pairs of a carrier's day that are one call and are not linked: a link by call id had replaced theirs,
--              or another reconciliation has ended it.
-- Parameters:  account_id, carrier, business_date; classes (array): those of one call.
-- Grain:       carrier_record_id, switch_record_id.   Locks: none.
SELECT
    pair.carrier_record_id,
    pair.switch_record_id
FROM reconciled_calls AS pair
LEFT JOIN cdr_links AS link
    ON
        link.account_id = pair.account_id
        AND link.imported_record_id = pair.carrier_record_id
        AND link.api_record_id = pair.switch_record_id
WHERE
    pair.account_id = %(account_id)s
    AND pair.carrier = %(carrier)s
    AND pair.business_date = %(business_date)s
    AND pair.until_version IS NULL
    AND pair.class = any(%(classes)s::text [])
    AND pair.switch_record_id IS NOT NULL
    AND pair.carrier_record_id IS NOT NULL
    AND link.api_record_id IS NULL
ORDER BY pair.carrier_record_id

-- Name:        unlinked_parts
-- Purpose:     further records of calls of a carrier's day that are not linked, of calls that are.
-- Parameters:  account_id, carrier, business_date.   Grain: carrier_record_id, part_of.   Locks: none.
SELECT
    part.carrier_record_id,
    part.part_of
FROM reconciled_calls AS part
INNER JOIN cdr_links AS first
    ON
        first.account_id = part.account_id
        AND first.api_record_id = part.part_of
        AND first.part_no = 0
LEFT JOIN cdr_links AS link
    ON link.account_id = part.account_id AND link.imported_record_id = part.carrier_record_id
WHERE
    part.account_id = %(account_id)s
    AND part.carrier = %(carrier)s
    AND part.business_date = %(business_date)s
    AND part.until_version IS NULL
    AND part.part_of IS NOT NULL
    AND link.api_record_id IS NULL
ORDER BY part.carrier_record_id

-- Name:        withdraw_links
-- Purpose:     withdraw links by call id that no longer apply, and links by reconciliation that a link by call id
--              replaces.
-- Parameters:  account_id, batch_id.   Grain: account_id, imported_record_id; returns both records' days.
-- Locks:       the rows deleted.   Idempotent: yes.
DELETE FROM cdr_links AS link
USING (
    SELECT l.account_id, l.imported_record_id
    FROM cdr_links AS l
    INNER JOIN cdr_link_stage AS staged
        ON
            staged.account_id = l.account_id
            AND staged.origin = 'imported'
            AND staged.record_id = l.imported_record_id
    WHERE
        staged.account_id = %(account_id)s
        AND staged.batch_id = %(batch_id)s
        AND staged.partner_id IS DISTINCT FROM l.api_record_id
        AND (l.basis = 'call_id' OR staged.partner_id IS NOT NULL)
    UNION
    SELECT l.account_id, l.imported_record_id
    FROM cdr_links AS l
    INNER JOIN cdr_link_stage AS staged
        ON
            staged.account_id = l.account_id
            AND staged.origin = 'api'
            AND staged.record_id = l.api_record_id
            AND l.part_no = 0
    WHERE
        staged.account_id = %(account_id)s
        AND staged.batch_id = %(batch_id)s
        AND staged.partner_id IS DISTINCT FROM l.imported_record_id
        AND (l.basis = 'call_id' OR staged.partner_id IS NOT NULL)
) AS ended
WHERE
    link.account_id = %(account_id)s
    AND ended.account_id = link.account_id
    AND ended.imported_record_id = link.imported_record_id
RETURNING link.imported_business_date, link.api_business_date

-- Name:        withdraw_parts
-- Purpose:     withdraw the links of further records of calls.
-- Parameters:  account_id; arrays of equal length imported_ids, api_ids.
-- Grain:       account_id, imported_record_id; returns both records' days.   Locks: the rows deleted.   Idempotent: yes.
DELETE FROM cdr_links
WHERE
    account_id = %(account_id)s
    AND part_no > 0
    AND imported_record_id = any(%(imported_ids)s::text [])
    AND (imported_record_id, api_record_id) IN (
        SELECT
            ended.imported_record_id,
            ended.api_record_id
        FROM unnest(%(imported_ids)s::text [], %(api_ids)s::text []) AS ended (imported_record_id, api_record_id)
    )
RETURNING imported_business_date, api_business_date

-- Name:        withdraw_reconciled_links
-- Purpose:     withdraw the links that reconciliation has set for these pairs, and of further records of their calls.
-- Parameters:  account_id; arrays of equal length imported_ids, api_ids.
-- Grain:       account_id, imported_record_id; returns both records' days.   Locks: the rows deleted.   Idempotent: yes.
DELETE FROM cdr_links
WHERE
    account_id = %(account_id)s
    AND basis = 'reconciled'
    AND api_record_id = any(%(api_ids)s::text [])
    AND (
        (part_no = 0 AND (imported_record_id, api_record_id) IN (
            SELECT
                ended.imported_record_id,
                ended.api_record_id
            FROM unnest(%(imported_ids)s::text [], %(api_ids)s::text []) AS ended (imported_record_id, api_record_id)
        ))
        OR (part_no > 0 AND api_record_id IN (
            SELECT first.api_record_id
            FROM cdr_links AS first
            INNER JOIN unnest(%(imported_ids)s::text [], %(api_ids)s::text []) AS ended (imported_record_id, api_record_id)
                ON
                    ended.imported_record_id = first.imported_record_id
                    AND ended.api_record_id = first.api_record_id
            WHERE first.account_id = %(account_id)s AND first.basis = 'reconciled' AND first.part_no = 0
        ))
    )
RETURNING imported_business_date, api_business_date
