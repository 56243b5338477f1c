-- Purpose:     the records of which a month's legs consist, whole, each with the record it is linked to.
-- Parameters:  account_id, first_day, end_day; cells of the fields.   Grain: record.   Locks: none.
COPY (
    SELECT
        {cells},
        extra::text,
        has_detail::text,
        list_digest,
        row_digest,
        batch_id,
        source_line,
        replace(left(changed_at::text, -3), ' ', 'T') || 'Z',
        linked_record_id
    FROM (
        SELECT
            cdr.*,
            place.linked_record_id
        FROM cdr_places AS place
        INNER JOIN cdr
            ON
                cdr.account_id = place.account_id
                AND cdr.origin = place.origin
                AND cdr.record_id = place.record_id
                AND cdr.business_date = place.business_date
        WHERE
            place.account_id = %(account_id)s
            AND place.leg_date >= %(first_day)s
            AND place.leg_date < %(end_day)s
    ) AS going
    ORDER BY going.business_date, going.started_at, going.origin COLLATE "C", going.record_id COLLATE "C"
) TO STDOUT (FORMAT csv)
