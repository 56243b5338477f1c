-- Purpose:     leave one row per record in the stage; the number of rows deleted is the batch's duplicates.
--              Of the switch's rows the one that ends last stays, then the greatest digest, then one with a document,
--              so that the order of pages does not matter; of a file's rows the last line stays, because a later
--              line corrects.
-- Parameters:  account_id, batch_id.
-- Grain:       account_id, origin, record_id.
-- Locks:       the stage's rows of this batch.   Idempotent: yes.
DELETE FROM cdr_stage AS doomed
USING (
    SELECT
        account_id,
        source_line,
        row_number() OVER (
            PARTITION BY account_id, origin, record_id
            ORDER BY
                CASE WHEN origin = 'api' THEN ended_at END DESC NULLS LAST,
                CASE WHEN origin = 'api' THEN row_digest END DESC NULLS LAST,
                CASE WHEN origin = 'api' THEN has_detail END DESC NULLS LAST,
                source_line DESC
        ) AS place
    FROM cdr_stage
    WHERE account_id = %(account_id)s AND batch_id = %(batch_id)s
) AS ranked
WHERE
    doomed.account_id = %(account_id)s
    AND doomed.batch_id = %(batch_id)s
    AND ranked.account_id = doomed.account_id
    AND ranked.source_line = doomed.source_line
    AND ranked.place > 1
