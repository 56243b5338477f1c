-- Purpose:     number equal lines of a file through all of it: they were numbered from 1 in each block that was staged.
-- Parameters:  account_id, batch_id.
-- Grain:       account_id, source_line; only records known by their fingerprint (source:fp:digest-occurrence).
-- Locks:       the stage's rows of this batch.   Idempotent: yes.
UPDATE cdr_stage AS staged SET record_id = ranked.record_id
FROM (
    SELECT
        known.account_id,
        known.source_line,
        known.fingerprint || '-'
        || row_number() OVER (PARTITION BY known.account_id, known.fingerprint ORDER BY known.source_line) AS record_id
    FROM (
        SELECT
            account_id,
            source_line,
            left(record_id, -strpos(reverse(record_id), '-')) AS fingerprint
        FROM cdr_stage
        WHERE
            account_id = %(account_id)s
            AND batch_id = %(batch_id)s
            AND origin = 'imported'
            AND split_part(record_id, ':', 2) = 'fp'
    ) AS known
) AS ranked
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND ranked.account_id = staged.account_id
    AND ranked.source_line = staged.source_line
    AND ranked.record_id <> staged.record_id
