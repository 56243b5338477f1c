-- Name:        lock_changes
-- Purpose:     number the changes of an account in the order of their commits: a reader that has seen one has seen all
--              with smaller numbers.
-- Parameters:  account_id.
-- Locks:       advisory, until the end of the transaction; taken on the coordinator of a cluster.
SELECT pg_advisory_xact_lock(hashtextextended('cdr_pipeline.changes:' || %(account_id)s, 0))

-- Name:        add_changes
-- Purpose:     add a change of each business date, after the changes that the account has; a date may be null.
-- Parameters:  account_id, kind, dates (array), details (JSON), now.
-- Grain:       account_id, change_no.   Locks: the rows; lock_changes comes first.   Idempotent: no.
INSERT INTO account_changes (account_id, change_no, kind, business_date, details, happened_at)
SELECT
    %(account_id)s,
    coalesce((SELECT max(change_no) FROM account_changes WHERE account_id = %(account_id)s), 0) + changed.position,
    %(kind)s,
    changed.business_date,
    %(details)s::jsonb,
    %(now)s
FROM unnest(%(dates)s::date []) WITH ORDINALITY AS changed (business_date, position)

-- Name:        changes_after
-- Purpose:     changes of an account after a number, oldest first.
-- Parameters:  account_id, after, most.   Grain: change_no.   Locks: none.
SELECT
    change_no,
    kind,
    business_date,
    details,
    happened_at
FROM account_changes
WHERE account_id = %(account_id)s AND change_no > %(after)s
ORDER BY change_no
LIMIT %(most)s

-- Name:        bounds_of_changes
-- Purpose:     smallest and largest number of the changes that are kept of an account.
-- Parameters:  account_id.   Grain: one row; null without a change.   Locks: none.
SELECT
    min(change_no) AS first,
    max(change_no) AS last
FROM account_changes
WHERE account_id = %(account_id)s

-- Name:        forget_changes
-- Purpose:     remove changes of all accounts before an instant; the newest of each account stays, so that its number is
--              not used again.
-- Parameters:  before.   Grain: any number of rows.   Locks: those rows.   Idempotent: yes.
DELETE FROM account_changes AS past
USING (
    SELECT
        account_id,
        max(change_no) AS newest
    FROM account_changes
    GROUP BY account_id
) AS kept
WHERE
    past.account_id = kept.account_id
    AND past.change_no < kept.newest
    AND past.happened_at < %(before)s
