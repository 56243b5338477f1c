-- Purpose:     give staged records whose id another call has in the warehouse the identity of their text instead.
--              It is another call when a number is another one, or the call starts further away than a correction
--              explains. Numbers are the same when their digits are, or their last eight; a number that one side
--              lacks, or that has been masked, tells nothing.
-- Parameters:  account_id, batch_id, most_moved (interval).   Grain: source_line.   Locks: the stage's rows.
-- Idempotent:  yes; a record known by its text is not looked at again.
UPDATE cdr_stage AS staged SET record_id = split_part(staged.record_id, ':', 1) || ':fp:' || staged.fingerprint || '-1'
FROM (
    SELECT
        fresh.account_id,
        fresh.source_line,
        fresh.started_at,
        present.started_at AS known_start,
        coalesce(fresh.caller_e164, fresh.caller_id_number) AS caller,
        coalesce(present.caller_e164, present.caller_id_number) AS known_caller,
        coalesce(fresh.callee_e164, fresh.dialed_number, fresh.callee_id_number) AS callee,
        coalesce(present.callee_e164, present.dialed_number, present.callee_id_number) AS known_callee
    FROM cdr_stage AS fresh
    INNER JOIN cdr_keys AS known
        ON
            known.account_id = fresh.account_id
            AND known.origin = fresh.origin
            AND known.record_id = fresh.record_id
    INNER JOIN cdr AS present
        ON
            present.account_id = known.account_id
            AND present.origin = known.origin
            AND present.record_id = known.record_id
            AND present.business_date = known.business_date
    WHERE
        fresh.account_id = %(account_id)s
        AND fresh.batch_id = %(batch_id)s
        AND NOT fresh.believed_equal
        AND split_part(fresh.record_id, ':', 2) = 'id'
        AND known.list_digest <> fresh.list_digest::uuid
) AS pair
WHERE
    staged.account_id = %(account_id)s
    AND staged.batch_id = %(batch_id)s
    AND pair.account_id = staged.account_id
    AND pair.source_line = staged.source_line
    AND (
        greatest(pair.started_at - pair.known_start, pair.known_start - pair.started_at) > %(most_moved)s
        OR cdr_other_number(pair.caller, pair.known_caller)
        OR cdr_other_number(pair.callee, pair.known_callee)
    )
