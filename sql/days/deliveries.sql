-- Name:        deliveries
-- Purpose:     deliveries in the given states, the longest waiting first.
-- Parameters:  account_ids (array), states (array), most: rows, null for all; among: a condition that the states imply,
--              so that an index of unfinished deliveries can be used.
-- Grain:       account_id, target, path.   Locks: none.
SELECT
    account_id,
    target,
    path,
    business_date,
    version,
    sha256,
    state,
    attempts,
    due_at,
    attempted_at,
    delivered_at,
    receipt,
    error_code
FROM deliveries
WHERE {among} AND account_id = any(%(account_ids)s) AND state = any(%(states)s)
ORDER BY state DESC, due_at, account_id, target, path
LIMIT %(most)s

-- Name:        lock_delivery
-- Purpose:     lock a delivery to send its file; no row if another process holds it or the file is not due.
-- Parameters:  account_id, target, path, states (array).   Grain: one row or none.
-- Locks:       the row, until the end of the transaction.
SELECT
    deliveries.path,
    deliveries.sha256,
    deliveries.bytes AS size,
    export_files.manifest
FROM deliveries
INNER JOIN export_files
    ON
        export_files.account_id = deliveries.account_id
        AND export_files.business_date = deliveries.business_date
        AND export_files.version = deliveries.version
        AND export_files.path = deliveries.path
WHERE
    deliveries.account_id = %(account_id)s
    AND deliveries.target = %(target)s
    AND deliveries.path = %(path)s
    AND deliveries.state = any(%(states)s)
FOR UPDATE OF deliveries SKIP LOCKED

-- Name:        queue_deliveries
-- Purpose:     make every announced file of a sealed day due at a target once; existing deliveries stay unchanged.
-- Parameters:  account_ids (array), dialects (array), target, now.   Grain: account_id, target, path.   Locks: the rows.
-- Idempotent:  yes.
INSERT INTO deliveries (
    account_id, target, path, business_date, version, sha256, bytes, state, attempts, due_at
)
SELECT
    files.account_id,
    %(target)s,
    files.path,
    files.business_date,
    files.version,
    files.sha256,
    files.bytes,
    'pending',
    0,
    %(now)s
-- Almost all files are known: an index has what is needed to find the others.
FROM (
    SELECT
        announced.account_id,
        announced.business_date,
        announced.version,
        announced.dialect
    FROM export_files AS announced
    WHERE
        announced.account_id = any(%(account_ids)s)
        AND announced.dialect = any(%(dialects)s)
        AND announced.manifest IS NOT NULL
        AND NOT EXISTS (
            SELECT 1
            FROM deliveries AS known
            WHERE
                known.account_id = announced.account_id
                AND known.target = %(target)s
                AND known.path = announced.path
        )
) AS due
INNER JOIN export_files AS files
    ON
        files.account_id = due.account_id
        AND files.business_date = due.business_date
        AND files.version = due.version
        AND files.dialect = due.dialect
INNER JOIN days
    ON
        days.account_id = files.account_id
        AND days.business_date = files.business_date
WHERE days.published_at IS NOT NULL OR files.version < days.version
ON CONFLICT (account_id, target, path) DO NOTHING

-- Name:        record_delivered
-- Purpose:     record that a file was delivered to a target.
-- Parameters:  as named.   Grain: account_id, target, path.   Locks: the row; the caller has it.   Idempotent: no.
UPDATE deliveries SET
    state = 'delivered',
    attempts = attempts + 1,
    attempted_at = %(now)s,
    delivered_at = %(now)s,
    receipt = %(receipt)s,
    error_code = NULL,
    error_message = NULL
WHERE account_id = %(account_id)s AND target = %(target)s AND path = %(path)s

-- Name:        record_failed_delivery
-- Purpose:     record a failed attempt: the file stays due, or is refused until a person acts. Changes nothing if
--              another process has attempted the delivery since it was read, or if it was delivered.
-- Parameters:  as named; attempts: as read.   Grain: account_id, target, path.   Locks: the row.   Idempotent: no.
UPDATE deliveries SET
    state = %(state)s,
    attempts = attempts + 1,
    attempted_at = %(now)s,
    error_code = %(error_code)s,
    error_message = %(error_message)s
WHERE
    account_id = %(account_id)s
    AND target = %(target)s
    AND path = %(path)s
    AND attempts = %(attempts)s
    AND state <> 'delivered'
