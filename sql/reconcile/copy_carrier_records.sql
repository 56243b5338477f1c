-- Purpose:     a carrier's records of some time; those without carrier are known by the profile that read them.
-- Parameters:  account_id, carrier, first_date, last_date, starts_at, ends_at; columns that the comparison reads.
-- Grain:       account_id, record_id.   Locks: none.
COPY (
    SELECT {columns}
    FROM cdr
    WHERE
        cdr.account_id = %(account_id)s
        AND cdr.origin = 'imported'
        AND cdr.business_date BETWEEN %(first_date)s AND %(last_date)s
        AND cdr.started_at >= %(starts_at)s
        AND cdr.started_at < %(ends_at)s
        AND (
            cdr.carrier = %(carrier)s
            OR (
                nullif(cdr.carrier, '') IS NULL
                AND EXISTS (
                    SELECT 1
                    FROM batches
                    INNER JOIN uploads
                        ON uploads.account_id = batches.account_id AND uploads.sha256 = batches.source
                    WHERE
                        batches.account_id = cdr.account_id
                        AND batches.batch_id = cdr.batch_id
                        AND uploads.profile = %(carrier)s
                )
            )
        )
) TO STDOUT (FORMAT csv)
