-- Name:        lock_alerts
-- Purpose:     let one process at a time compare what is wrong with what has been told.
-- Parameters:  none.   Grain: none.   Locks: alert_topics, until the end of the transaction; reading stays possible.
LOCK TABLE alert_topics IN SHARE ROW EXCLUSIVE MODE

-- Name:        open_topics
-- Purpose:     what is wrong as far as alerts were raised about it.
-- Parameters:  none.   Grain: topic.   Locks: none.
SELECT
    topic,
    cause,
    line,
    watched_until,
    opened_at
FROM alert_topics
ORDER BY opened_at, topic

-- Name:        open_topic
-- Purpose:     note that an alert was raised about a topic, or about another cause of it.
-- Parameters:  topic, cause, line, watched_until, now.   Grain: topic.   Locks: the row.   Idempotent: yes.
INSERT INTO alert_topics (topic, cause, line, watched_until, opened_at)
VALUES (%(topic)s, %(cause)s, %(line)s, %(watched_until)s, %(now)s)
ON CONFLICT (topic) DO UPDATE
SET cause = excluded.cause, line = excluded.line, watched_until = excluded.watched_until

-- Name:        close_topic
-- Purpose:     forget a topic that is over.
-- Parameters:  topic.   Grain: topic.   Locks: the row.   Idempotent: yes.
DELETE FROM alert_topics
WHERE topic = %(topic)s

-- Name:        raise_alert
-- Purpose:     store an alert.
-- Parameters:  alert_id, kind, subject, lines (array), command, facts (json), raised_at.   Grain: alert_id.
-- Locks:       none.   Idempotent: yes.
INSERT INTO alerts (alert_id, kind, subject, lines, command, facts, raised_at)
VALUES (%(alert_id)s, %(kind)s, %(subject)s, %(lines)s, %(command)s, %(facts)s, %(raised_at)s)
ON CONFLICT (alert_id) DO NOTHING

-- Name:        queue_delivery
-- Purpose:     queue an alert for a channel, or record what has become of it elsewhere.
-- Parameters:  alert_id, channel, raised_at, state, attempts, next_try_at, sent_at, error.   Grain: alert_id, channel.
-- Locks:       none.   Idempotent: yes.
INSERT INTO alert_deliveries (alert_id, channel, raised_at, state, attempts, next_try_at, sent_at, error)
VALUES (%(alert_id)s, %(channel)s, %(raised_at)s, %(state)s, %(attempts)s, %(next_try_at)s, %(sent_at)s, %(error)s)
ON CONFLICT (alert_id, channel) DO NOTHING

-- Name:        claim_delivery
-- Purpose:     claim the oldest alert that is due on a channel. A claim whose process died ends at claimed_until.
-- Parameters:  channel, now, claimed_until.   Grain: one row or none.   Locks: the row.
WITH claimed AS (
    UPDATE alert_deliveries
    SET claimed_until = %(claimed_until)s, attempts = attempts + 1
    WHERE
        channel = %(channel)s
        AND alert_id = (
            SELECT alert_id
            FROM alert_deliveries
            WHERE
                channel = %(channel)s
                AND state = 'waiting'
                AND next_try_at <= %(now)s
                AND coalesce(claimed_until <= %(now)s, TRUE)
            ORDER BY raised_at, alert_id
            LIMIT 1
            FOR UPDATE SKIP LOCKED
        )
    RETURNING
        alert_id,
        attempts
)

SELECT
    claimed.attempts,
    alerts.alert_id,
    alerts.kind,
    alerts.subject,
    alerts.lines,
    alerts.command,
    alerts.facts,
    alerts.raised_at
FROM claimed
INNER JOIN alerts ON alerts.alert_id = claimed.alert_id

-- Name:        mark_sent
-- Purpose:     record that a channel has accepted an alert.
-- Parameters:  alert_id, channel, now.   Grain: alert_id, channel.   Locks: the row.   Idempotent: yes.
UPDATE alert_deliveries
SET state = 'sent', sent_at = %(now)s, claimed_until = NULL, error = NULL
WHERE alert_id = %(alert_id)s AND channel = %(channel)s AND state = 'waiting'

-- Name:        postpone_delivery
-- Purpose:     record a failed attempt and when the next one is due.
-- Parameters:  alert_id, channel, next_try_at, error.   Grain: alert_id, channel.   Locks: the row.   Idempotent: yes.
UPDATE alert_deliveries
SET next_try_at = %(next_try_at)s, claimed_until = NULL, error = %(error)s
WHERE alert_id = %(alert_id)s AND channel = %(channel)s AND state = 'waiting'

-- Name:        postpone_channel
-- Purpose:     let all alerts of a channel that does not answer wait until its next attempt, in their order.
-- Parameters:  channel, next_try_at, error.   Grain: channel.   Locks: the rows.   Idempotent: yes.
UPDATE alert_deliveries
SET next_try_at = greatest(next_try_at, %(next_try_at)s), error = coalesce(error, %(error)s)
WHERE channel = %(channel)s AND state = 'waiting'

-- Name:        withdraw_deliveries
-- Purpose:     stop waiting for channels that are no longer configured.
-- Parameters:  channels (array, the configured ones).   Grain: alert_id, channel.   Locks: the rows.   Idempotent: yes.
UPDATE alert_deliveries
SET state = 'withdrawn', claimed_until = NULL
WHERE state = 'waiting' AND channel <> all(%(channels)s)

-- Name:        retry_deliveries
-- Purpose:     make waiting alerts due now.
-- Parameters:  alert_id (its beginning; null for all), now.   Grain: alert_id, channel.   Locks: the rows.   Idempotent: yes.
UPDATE alert_deliveries
SET next_try_at = %(now)s
WHERE state = 'waiting' AND next_try_at > %(now)s AND coalesce(starts_with(alert_id, %(alert_id)s::text), TRUE)

-- Name:        waiting_alerts
-- Purpose:     alerts that a channel has not accepted yet, by channel.
-- Parameters:  none.   Grain: channel.   Locks: none.
SELECT
    alert_deliveries.channel,
    count(*) AS alerts,
    min(alerts.raised_at) AS since,
    min(alert_deliveries.next_try_at) AS next_try_at,
    max(alert_deliveries.error) AS error
FROM alert_deliveries
INNER JOIN alerts ON alerts.alert_id = alert_deliveries.alert_id
WHERE alert_deliveries.state = 'waiting'
GROUP BY alert_deliveries.channel
ORDER BY alert_deliveries.channel

-- Name:        list_alerts
-- Purpose:     newest alerts with their channels.
-- Parameters:  most.   Grain: alert_id, channel.   Locks: none.
SELECT
    newest.alert_id,
    newest.kind,
    newest.subject,
    newest.raised_at,
    alert_deliveries.channel,
    alert_deliveries.state,
    alert_deliveries.attempts,
    alert_deliveries.next_try_at,
    alert_deliveries.sent_at,
    alert_deliveries.error
FROM (
    SELECT
        alert_id,
        kind,
        subject,
        raised_at
    FROM alerts
    ORDER BY raised_at DESC, alert_id DESC
    LIMIT %(most)s
) AS newest
INNER JOIN alert_deliveries ON alert_deliveries.alert_id = newest.alert_id
ORDER BY newest.raised_at DESC, newest.alert_id DESC, alert_deliveries.channel

-- Name:        forget_alerts
-- Purpose:     delete old alerts that no channel waits for.
-- Parameters:  before.   Grain: alert_id.   Locks: the rows.   Idempotent: yes.
DELETE FROM alerts
WHERE
    raised_at < %(before)s
    AND NOT EXISTS (
        SELECT 1
        FROM alert_deliveries
        WHERE alert_deliveries.alert_id = alerts.alert_id AND alert_deliveries.state = 'waiting'
    )
