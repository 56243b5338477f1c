-- Name:        count_records
-- Purpose:     number of the switch's records of accounts by day.
-- Parameters:  account_ids, business_dates (arrays).   Grain: account_id, business_date.   Locks: none.
SELECT
    account_id,
    business_date,
    count(*) AS row_count
FROM cdr
WHERE
    account_id = any(%(account_ids)s)
    AND business_date = any(%(business_dates)s::date [])
    AND origin = 'api'
GROUP BY account_id, business_date

-- Name:        legs
-- Purpose:     all legs of an interaction, or of the interaction or bridge that a leg belongs to, oldest first.
-- Parameters:  account_id; identity: an interaction's id, or a record's; row_limit.   Grain: a leg.   Locks: none.
-- Keys come from indexes first, one subquery per index. A condition on the merged columns, an OR over the subqueries, or
-- COALESCE outside of a subquery (it is not leakproof) would read the whole account. A leg with an interaction id is
-- found by that id, never by its bridge.
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

-- Name:        long_values
-- Purpose:     what the migration found of texts above the limits of their fields.
-- Parameters:  none.   Grain: account_id, field.   Locks: none.
SELECT
    account_id,
    field,
    most_bytes,
    records,
    longest
FROM long_values
ORDER BY account_id, field

-- Name:        page
-- Purpose:     one page of legs in the form of Kazoo's list, as JSON arrays of texts, and the keys of its rows.
-- Parameters:  utc_offset, row_limit and what the conditions bind; legs (the merged view, or a part of it), columns,
--              names, conditions and order are generated.
-- Grain:       account_id, record_id, origin of the merged view.   Locks: none.
SELECT
    page.page_moment,
    page.page_record_id,
    page.page_origin,
    array_to_json(ARRAY[{names}])::text AS listed
FROM (
    SELECT
        record.{clock} AS page_moment,
        record.record_id AS page_record_id,
        record.origin AS page_origin,
        {columns}
    FROM {legs} AS record
    WHERE {conditions}
    ORDER BY {order}
    LIMIT %(row_limit)s
) AS page

-- Name:        record
-- Purpose:     one leg with all columns, by its id or by the id of an imported record linked to it, with the ids of the
--              further imported records of the call.
-- Parameters:  account_id, record_id.   Grain: one row; the switch's record where both origins have the id.   Locks: none.
-- The key of the leg comes from an index first; a condition on the merged columns alone would read the whole account.
SELECT
    cdr_merged.*,
    ARRAY(
        SELECT part.imported_record_id
        FROM cdr_links AS part
        WHERE
            part.account_id = %(account_id)s
            AND part.api_record_id = cdr_merged.record_id
            AND part.part_no > 0
            AND cdr_merged.leg_origin = 'api'
        ORDER BY part.part_no
    ) AS further_record_ids
FROM cdr_merged
WHERE
    account_id = %(account_id)s
    AND (leg_origin, record_id, business_date) IN (
        SELECT
            found.origin,
            found.record_id,
            found.business_date
        FROM cdr AS found
        WHERE
            found.account_id = %(account_id)s
            AND found.origin IN ('api', 'imported')
            AND found.record_id = %(record_id)s
        UNION ALL
        SELECT
            'api' AS origin,
            link.api_record_id,
            link.api_business_date
        FROM cdr_links AS link
        WHERE link.account_id = %(account_id)s AND link.imported_record_id = %(record_id)s
    )
ORDER BY (record_id = %(record_id)s) DESC, origin
LIMIT 1

-- Name:        record_locations
-- Purpose:     the day and file that contain a record. An imported record may be shown in the row of the API record
--              linked to it. An id without source, as in files and earlier versions, matches the ids of all sources.
--              The key of the record comes from an index first, as in record.
-- Parameters:  account_ids (array), record_id.   Grain: account_id, origin, record_id.   Locks: none.
WITH wanted AS (
    SELECT %(record_id)s AS record_id
    UNION
    SELECT
        replace(replace(read_by.profile, '~', '~7e'), ':', '~3a')
        || kind.mark || regexp_replace(%(record_id)s, kind.past_mark, '')
    FROM (
        SELECT DISTINCT profile
        FROM uploads
        WHERE account_id = any(%(account_ids)s)
    ) AS read_by
    CROSS JOIN (VALUES (':id:', '^$'), (':fp:', '^fp-'), (':fx:', '^fx-')) AS kind (mark, past_mark)
)

SELECT
    cdr_merged.account_id,
    cdr_merged.business_date,
    cdr_merged.origin,
    cdr_merged.record_id,
    cdr_merged.changed_at,
    days.state,
    days.version,
    export_files.path
FROM cdr_merged
INNER JOIN days
    ON days.account_id = cdr_merged.account_id AND days.business_date = cdr_merged.business_date
LEFT JOIN export_files
    ON
        export_files.account_id = days.account_id
        AND export_files.business_date = days.business_date
        AND export_files.version = days.version
        AND export_files.dialect = 'exact'
WHERE
    cdr_merged.account_id = any(%(account_ids)s)
    AND (cdr_merged.account_id, cdr_merged.leg_origin, cdr_merged.record_id, cdr_merged.business_date) IN (
        SELECT
            found.account_id,
            found.origin,
            found.record_id,
            found.business_date
        FROM cdr_keys AS found
        WHERE
            found.account_id = any(%(account_ids)s)
            AND found.origin IN ('api', 'imported')
            AND found.record_id IN (SELECT wanted.record_id FROM wanted)
        UNION ALL
        SELECT
            link.account_id,
            'api' AS origin,
            link.api_record_id,
            link.api_business_date
        FROM cdr_links AS link
        WHERE
            link.account_id = any(%(account_ids)s)
            AND link.imported_record_id IN (SELECT wanted.record_id FROM wanted)
    )
ORDER BY cdr_merged.account_id, cdr_merged.business_date, cdr_merged.origin

-- Name:        records_from
-- Purpose:     whether a call that started at an instant or later is on a day before a date.
-- Parameters:  account_id, instant, first_date, before (date).   Grain: one row.   Locks: none.
SELECT EXISTS (
    SELECT 1
    FROM cdr
    WHERE
        account_id = %(account_id)s
        AND business_date >= %(first_date)s
        AND business_date < %(before)s
        AND started_at >= %(instant)s
) AS found

-- Name:        stream_csv
-- Purpose:     all legs of a search in the form of Kazoo's list, as CSV with a header and every cell quoted.
-- Parameters:  utc_offset and what the conditions bind; columns, conditions and order are generated.
-- Grain:       account_id, record_id, origin of the merged view.   Locks: none.
COPY (
    SELECT {columns}
    FROM cdr_merged AS record
    WHERE {conditions}
    ORDER BY {order}
) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)

-- Name:        stream_json
-- Purpose:     all legs of a search in the form of Kazoo's list, one JSON object per line.
-- Parameters:  utc_offset and what the conditions bind; columns, conditions and order are generated.
-- Grain:       account_id, record_id, origin of the merged view.   Locks: none.
COPY (
    SELECT row_to_json(listed)::text AS listed
    FROM (
        SELECT {columns}
        FROM cdr_merged AS record
        WHERE {conditions}
        ORDER BY {order}
        OFFSET 0
    ) AS listed
) TO STDOUT

-- Name:        summary
-- Purpose:     billed seconds of a search by direction, far side, kind of number and rate; each leg counts once.
-- Parameters:  what the conditions bind.   Grain: direction, domain, classifier, rate_name.   Locks: none.
-- A leg whose far side is its own realm stays within the account and belongs to no carrier.
WITH legs AS (
    SELECT
        record.call_direction AS direction,
        record.realm,
        record.rate_name,
        record.billing_seconds,
        CASE record.call_direction
            WHEN 'inbound' THEN coalesce(record.from_host, split_part(record.sip_from, '@', 2))
            ELSE coalesce(record.to_host, split_part(record.sip_to, '@', 2))
        END AS domain,
        record.callee_e164 AS number,
        CASE record.call_direction
            WHEN 'inbound' THEN record.callee_id_number
            ELSE coalesce(record.dialed_number, record.callee_id_number)
        END AS dialled
    FROM cdr_merged AS record
    WHERE {conditions} AND record.call_direction IS NOT NULL
)

SELECT
    direction,
    coalesce(nullif(domain, ''), 'unknown') AS domain,
    CASE
        WHEN dialled IN ('911', '933', '112', '999') THEN 'emergency'
        WHEN number ~ '^\+1(800|822|833|844|855|866|877|888)' THEN 'tollfree_us'
        WHEN number ~ '^\+1900' THEN 'toll_us'
        WHEN
            number
            ~ '^\+1(242|246|264|268|284|340|345|441|473|649|658|664|670|671|684|721|758|767|784|787|809|829|849|868|869|876|939)'
            THEN 'caribbean'
        WHEN number ~ '^\+1[2-9]' THEN 'did_us'
        WHEN number IS NOT NULL THEN 'international'
        ELSE 'unknown'
    END AS classifier,
    rate_name,
    coalesce(sum(billing_seconds), 0) AS seconds
FROM legs
WHERE domain IS DISTINCT FROM realm OR realm IS NULL
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
