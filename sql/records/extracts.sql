-- Name:        add_extract
-- Purpose:     record the request of a file of records.
-- Parameters:  account_id, extract_id, owner_id, token_id, request (JSON), form, compression, first_moment, last_moment
--              (null without a period), now.
-- Grain:       extract_id.   Locks: none.   Idempotent: no.
INSERT INTO extracts (
    account_id, extract_id, owner_id, token_id, request, form, compression, first_moment, last_moment, state, created_at,
    next_attempt_at
)
VALUES (
    %(account_id)s,
    %(extract_id)s,
    %(owner_id)s,
    %(token_id)s,
    %(request)s,
    %(form)s,
    %(compression)s,
    %(first_moment)s,
    %(last_moment)s,
    'waiting',
    %(now)s,
    %(now)s
)

-- Name:        use_of_extracts
-- Purpose:     number of extracts of an owner that are not made yet, and bytes of the files that are kept or written.
-- Parameters:  owner_id; extract_id: an extract that is not counted, or null.   Grain: one row.   Locks: none.
SELECT
    count(*) FILTER (WHERE state IN ('waiting', 'running')) AS waiting,
    coalesce(sum(byte_count) FILTER (WHERE state IN ('running', 'ready')), 0)::bigint AS byte_count
FROM extracts
WHERE owner_id = %(owner_id)s AND extract_id IS DISTINCT FROM %(extract_id)s

-- Name:        extracts
-- Purpose:     extracts of an account that were requested by some owners, newest first; deleted ones are left out.
-- Parameters:  account_id, owners (array), extract_id (null for all), most; columns those of the class Extract.
-- Grain:       extract_id.   Locks: none.
SELECT
    {columns}
FROM extracts
WHERE
    account_id = %(account_id)s
    AND owner_id = any(%(owners)s::text [])
    AND coalesce(extract_id = %(extract_id)s, TRUE)
    AND state <> 'deleted'
ORDER BY created_at DESC, extract_id
LIMIT %(most)s

-- Name:        claim_extract
-- Purpose:     claim the oldest extract that waits, or whose process has died; one of each owner is made at a time.
-- Parameters:  claim, seconds (of the claim), now; columns those of the class Extract.   Grain: one row or none.
-- Locks:       the row; claimed ones are skipped.   Idempotent: no.
UPDATE extracts
SET
    state = 'running',
    claim = %(claim)s,
    claimed_until = clock_timestamp() + make_interval(secs => %(seconds)s),
    attempts = attempts + 1,
    row_count = 0,
    byte_count = 0,
    slices_done = 0
WHERE
    extract_id = (
        SELECT extract_id
        FROM extracts AS due
        WHERE
            (
                (due.state = 'waiting' AND due.next_attempt_at <= %(now)s)
                OR (due.state = 'running' AND due.claimed_until <= clock_timestamp())
            )
            AND NOT EXISTS (
                SELECT
                FROM extracts AS other
                WHERE
                    other.owner_id = due.owner_id
                    AND other.state = 'running'
                    AND other.claimed_until > clock_timestamp()
            )
        ORDER BY due.created_at, due.extract_id
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
RETURNING
    {columns}

-- Name:        keep_extract
-- Purpose:     extend a claim and record how far the file is; no row for a process that has lost its claim.
-- Parameters:  extract_id, claim, seconds, row_count, byte_count, slices, slices_done.
-- Grain:       one row or none.   Locks: the row.   Idempotent: yes.
UPDATE extracts
SET
    claimed_until = clock_timestamp() + make_interval(secs => %(seconds)s),
    row_count = %(row_count)s,
    byte_count = %(byte_count)s,
    slices = %(slices)s,
    slices_done = %(slices_done)s
WHERE extract_id = %(extract_id)s AND claim = %(claim)s AND state = 'running'

-- Name:        complete_extract
-- Purpose:     record that the file is complete; no row for a process that has lost its claim.
-- Parameters:  extract_id, claim, row_count, byte_count, slices, sha256, now, expires_at.
-- Grain:       one row or none.   Locks: the row.   Idempotent: yes.
UPDATE extracts
SET
    state = 'ready',
    claim = NULL,
    claimed_until = NULL,
    row_count = %(row_count)s,
    byte_count = %(byte_count)s,
    slices = %(slices)s,
    slices_done = %(slices)s,
    file_id = %(claim)s,
    sha256 = %(sha256)s,
    error = NULL,
    ended_at = %(now)s,
    expires_at = %(expires_at)s
WHERE extract_id = %(extract_id)s AND claim = %(claim)s AND state = 'running'

-- Name:        fail_extract
-- Purpose:     record why a file was not made.
-- Parameters:  extract_id, claim, error (JSON), now.   Grain: one row or none.   Locks: the row.   Idempotent: yes.
UPDATE extracts
SET
    state = 'failed',
    claim = NULL,
    claimed_until = NULL,
    row_count = 0,
    byte_count = 0,
    error = %(error)s,
    ended_at = %(now)s
WHERE extract_id = %(extract_id)s AND claim = %(claim)s AND state = 'running'

-- Name:        postpone_extract
-- Purpose:     give a claimed extract back, to be made later or by another process.
-- Parameters:  extract_id, claim, error (JSON or null), next_attempt_at; taken_back: attempts that do not count.
-- Grain:       one row or none.   Locks: the row.   Idempotent: yes.
UPDATE extracts
SET
    state = 'waiting',
    claim = NULL,
    claimed_until = NULL,
    row_count = 0,
    byte_count = 0,
    slices_done = 0,
    attempts = attempts - %(taken_back)s,
    error = %(error)s,
    next_attempt_at = %(next_attempt_at)s
WHERE extract_id = %(extract_id)s AND claim = %(claim)s AND state = 'running'

-- Name:        delete_extract
-- Purpose:     cancel an extract, or have its file deleted.
-- Parameters:  account_id, extract_id, now.   Grain: one row or none.   Locks: the row.   Idempotent: yes.
UPDATE extracts
SET state = 'deleted', claim = NULL, claimed_until = NULL, request = jsonb_build_object(), ended_at = %(now)s
WHERE account_id = %(account_id)s AND extract_id = %(extract_id)s AND state <> 'deleted'

-- Name:        withdraw_extracts
-- Purpose:     end the extracts of an account whose files may show what was erased, masked or removed.
-- Parameters:  account_id; before: only those whose period begins before, or that have none; null for all. pattern:
--              regular expression, only those whose request matches it; null for all. error (JSON), now.
-- Grain:       extract_id.   Locks: the rows.   Idempotent: yes.
UPDATE extracts
SET
    state = 'withdrawn',
    claim = NULL,
    claimed_until = NULL,
    request = jsonb_build_object(),
    error = %(error)s,
    ended_at = %(now)s
WHERE
    account_id = %(account_id)s
    AND state NOT IN ('withdrawn', 'deleted')
    AND coalesce(first_moment < %(before)s, TRUE)
    AND coalesce(request::text ~ %(pattern)s, TRUE)

-- Name:        expire_extracts
-- Purpose:     end the extracts whose files have been kept long enough.
-- Parameters:  now.   Grain: extract_id.   Locks: the rows.   Idempotent: yes.
UPDATE extracts
SET state = 'expired'
WHERE state = 'ready' AND expires_at <= %(now)s

-- Name:        extracts_to_clear
-- Purpose:     ended extracts whose files are not known to be deleted.   Parameters: none.   Grain: extract_id.
-- Locks:       none.
SELECT
    account_id,
    extract_id
FROM extracts
WHERE state IN ('failed', 'expired', 'withdrawn', 'deleted') AND NOT is_cleared

-- Name:        clear_extract
-- Purpose:     record that the file of an ended extract is deleted.
-- Parameters:  extract_id.   Grain: one row.   Locks: the row.   Idempotent: yes.
UPDATE extracts
SET is_cleared = TRUE
WHERE extract_id = %(extract_id)s

-- Name:        forget_extracts
-- Purpose:     delete ended extracts: deleted ones at once, others after some time.
-- Parameters:  before.   Grain: extract_id.   Locks: the rows.   Idempotent: yes.
DELETE FROM extracts
WHERE
    is_cleared
    AND state IN ('failed', 'expired', 'withdrawn', 'deleted')
    AND (state = 'deleted' OR ended_at < %(before)s)

-- Name:        recorded_days
-- Purpose:     first and last business date of the records of an account; null without records.
-- Parameters:  account_id.   Grain: one row.   Locks: none.
SELECT
    min(business_date) AS first_day,
    max(business_date) AS last_day
FROM cdr
WHERE account_id = %(account_id)s

-- Name:        known_extracts
-- Purpose:     ids of all extracts.   Parameters: none.   Grain: extract_id.   Locks: none.
SELECT extract_id
FROM extracts
