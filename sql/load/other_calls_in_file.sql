-- Purpose:     give staged records whose id an earlier line of the file has for another call the identity of their
--              text instead; see other_calls_in_warehouse.
-- Parameters:  account_id, batch_id, most_moved (interval).   Grain: source_line.   Locks: the stage's rows.
-- Idempotent:  yes; a record known by its text is not looked at again.
UPDATE cdr_stage AS staged SET record_id = split_part(staged.record_id, ':', 1) || ':fp:' || staged.fingerprint || '-1'
FROM (
    SELECT
        account_id,
        source_line,
        started_at,
        first_value(started_at) OVER same_id AS first_start,
        coalesce(caller_e164, caller_id_number) AS caller,
        first_value(coalesce(caller_e164, caller_id_number)) OVER same_id AS first_caller,
        coalesce(callee_e164, dialed_number, callee_id_number) AS callee,
        first_value(coalesce(callee_e164, dialed_number, callee_id_number)) OVER same_id AS first_callee
    FROM cdr_stage
    WHERE
        account_id = %(account_id)s
        AND batch_id = %(batch_id)s
        AND NOT believed_equal
        AND split_part(record_id, ':', 2) = 'id'
    WINDOW same_id AS (PARTITION BY account_id, record_id ORDER BY source_line)
) AS pair
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND pair.account_id = staged.account_id
    AND pair.source_line = staged.source_line
    AND (
        greatest(pair.started_at - pair.first_start, pair.first_start - pair.started_at) > %(most_moved)s
        OR cdr_other_number(pair.caller, pair.first_caller)
        OR cdr_other_number(pair.callee, pair.first_callee)
    )
