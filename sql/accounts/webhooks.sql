-- Name:        add_webhook
-- Purpose:     register an address for the changes of an account after a position.
-- Parameters:  account_id, webhook_id, url, kinds (array; empty: all), label, secret, position, now.
-- Grain:       webhook_id.   Locks: none.   Idempotent: no.
INSERT INTO webhooks (account_id, webhook_id, url, kinds, label, secret, created_at, position, next_attempt_at)
VALUES (
    %(account_id)s,
    %(webhook_id)s,
    %(url)s,
    %(kinds)s,
    %(label)s,
    %(secret)s,
    %(now)s,
    %(position)s,
    %(now)s
)

-- Name:        webhooks
-- Purpose:     webhooks of accounts with the number of their dead letters.
-- Parameters:  accounts (array; null for all), webhook_id (null for all).   Grain: webhook_id.   Locks: none.
SELECT
    account_id,
    webhook_id,
    url,
    kinds,
    label,
    secret,
    former_secret,
    former_until,
    created_at,
    position,
    attempts,
    buried,
    next_attempt_at,
    delivered_at,
    error,
    stopped_at,
    (SELECT count(*) FROM webhook_dead_letters WHERE webhook_dead_letters.webhook_id = webhooks.webhook_id) AS dead_letters,
    EXISTS (
        SELECT FROM webhook_dead_letters WHERE webhook_dead_letters.webhook_id = webhooks.webhook_id AND replay
    ) AS replays
FROM webhooks
WHERE
    coalesce(account_id = any(%(accounts)s::text []), TRUE)
    AND coalesce(webhook_id = %(webhook_id)s, TRUE)
ORDER BY account_id, created_at, webhook_id

-- Name:        newest_changes
-- Purpose:     number of the newest change of accounts that have one after a position.
-- Parameters:  accounts (array), positions (array of the same length).   Grain: account_id.   Locks: none.
SELECT
    changes.account_id,
    max(changes.change_no) AS newest
FROM account_changes AS changes
INNER JOIN unnest(%(accounts)s::text [], %(positions)s::bigint []) AS known (account_id, position)
    ON changes.account_id = known.account_id AND changes.change_no > known.position
GROUP BY changes.account_id

-- Name:        claim_webhook
-- Purpose:     claim a webhook for a sender, or extend the claim; no row while another sender has it.
-- Parameters:  webhook_id, claim, now, claimed_until.   Grain: one row or none.   Locks: the row.   Idempotent: yes.
UPDATE webhooks
SET claim = %(claim)s, claimed_until = %(claimed_until)s
WHERE
    webhook_id = %(webhook_id)s
    AND (claim IS NULL OR claim = %(claim)s OR claimed_until <= %(now)s)

-- Name:        release_webhook
-- Purpose:     end the claim of a sender.
-- Parameters:  webhook_id, claim.   Grain: one row or none.   Locks: the row.   Idempotent: yes.
UPDATE webhooks
SET claim = NULL, claimed_until = NULL
WHERE webhook_id = %(webhook_id)s AND claim = %(claim)s

-- Name:        advance_webhook
-- Purpose:     record that all changes up to a number were accepted, or are not for this webhook; no row for a sender that
--              has lost its claim, or after a replay moved the position back.
-- Parameters:  webhook_id, claim, before, position, delivered_at (null if nothing was sent).
-- Grain:       one row or none.   Locks: the row.   Idempotent: yes.
UPDATE webhooks
SET
    position = %(position)s,
    attempts = 0,
    buried = CASE WHEN %(delivered_at)s::timestamptz IS NULL THEN buried ELSE 0 END,
    error = CASE WHEN %(delivered_at)s::timestamptz IS NULL THEN error END,
    delivered_at = coalesce(%(delivered_at)s, delivered_at)
WHERE webhook_id = %(webhook_id)s AND claim = %(claim)s AND position = %(before)s

-- Name:        postpone_webhook
-- Purpose:     record a failed attempt and when the next one is due.
-- Parameters:  webhook_id, claim, next_attempt_at, error.   Grain: one row or none.   Locks: the row.   Idempotent: no.
UPDATE webhooks
SET attempts = attempts + 1, next_attempt_at = %(next_attempt_at)s, error = %(error)s
WHERE webhook_id = %(webhook_id)s AND claim = %(claim)s

-- Name:        bury_change
-- Purpose:     pass over a change after its last attempt; after too many in a row, send nothing more until a replay.
-- Parameters:  webhook_id, claim, before, position, next_attempt_at, error, stop (whether to stop), now.
-- Grain:       one row or none.   Locks: the row.   Idempotent: no.
UPDATE webhooks
SET
    position = %(position)s,
    attempts = 0,
    buried = buried + 1,
    next_attempt_at = %(next_attempt_at)s,
    error = %(error)s,
    stopped_at = CASE WHEN %(stop)s THEN %(now)s::timestamptz END
WHERE webhook_id = %(webhook_id)s AND claim = %(claim)s AND position = %(before)s

-- Name:        add_dead_letter
-- Purpose:     keep a change that could not be sent.
-- Parameters:  webhook_id, change_no, body (JSON), attempts, error, now.   Grain: webhook_id, change_no.
-- Locks:       the row.   Idempotent: yes.
INSERT INTO webhook_dead_letters (webhook_id, change_no, body, attempts, error, failed_at)
VALUES (%(webhook_id)s, %(change_no)s, %(body)s::jsonb, %(attempts)s, %(error)s, %(now)s)
ON CONFLICT (webhook_id, change_no) DO UPDATE SET
    attempts = webhook_dead_letters.attempts + excluded.attempts,
    error = excluded.error,
    failed_at = excluded.failed_at,
    replay = FALSE

-- Name:        dead_letters
-- Purpose:     changes that could not be sent to a webhook, oldest first.
-- Parameters:  webhook_id, replay (true: only those that are to be sent again; null: all), most.
-- Grain:       change_no.   Locks: none.
SELECT
    change_no,
    body,
    attempts,
    error,
    failed_at,
    replay
FROM webhook_dead_letters
WHERE webhook_id = %(webhook_id)s AND coalesce(replay = %(replay)s, TRUE)
ORDER BY change_no
LIMIT %(most)s

-- Name:        remove_dead_letter
-- Purpose:     forget a change that was sent after all.
-- Parameters:  webhook_id, change_no.   Grain: one row.   Locks: the row.   Idempotent: yes.
DELETE FROM webhook_dead_letters
WHERE webhook_id = %(webhook_id)s AND change_no = %(change_no)s

-- Name:        replay_dead_letters
-- Purpose:     have the changes that could not be sent to a webhook sent again.
-- Parameters:  webhook_id.   Grain: webhook_id, change_no.   Locks: the rows.   Idempotent: yes.
UPDATE webhook_dead_letters
SET replay = TRUE
WHERE webhook_id = %(webhook_id)s

-- Name:        resume_webhook
-- Purpose:     send to a webhook again at once, from a position on if one is given.
-- Parameters:  webhook_id, position (null: where it is), now.   Grain: one row.   Locks: the row.   Idempotent: yes.
UPDATE webhooks
SET
    position = coalesce(%(position)s, position),
    attempts = 0,
    buried = 0,
    next_attempt_at = %(now)s,
    stopped_at = NULL
WHERE webhook_id = %(webhook_id)s

-- Name:        rotate_webhook
-- Purpose:     give a webhook a new secret; the former one signs too until an instant.
-- Parameters:  webhook_id, secret, former_until.   Grain: one row.   Locks: the row.   Idempotent: no.
UPDATE webhooks
SET former_secret = secret, secret = %(secret)s, former_until = %(former_until)s
WHERE webhook_id = %(webhook_id)s

-- Name:        remove_webhook
-- Purpose:     remove a webhook with its dead letters.
-- Parameters:  webhook_id.   Grain: one row.   Locks: the row.   Idempotent: yes.
DELETE FROM webhooks
WHERE webhook_id = %(webhook_id)s
