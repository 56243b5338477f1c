-- Purpose:     who sealed and restated a day, oldest first.
-- Parameters:  account_id, business_date.   Grain: event_id.   Locks: none.
SELECT
    event,
    version,
    actor,
    reason,
    overridden,
    before_sha256,
    after_sha256,
    happened_at,
    run_id
FROM day_events
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
ORDER BY happened_at, version, event_id
