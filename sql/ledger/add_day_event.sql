-- Purpose:     who sealed or restated a day, when and why; events are only ever added.
-- Parameters:  as named.   Grain: account_id, business_date, event_id.   Locks: the row.   Idempotent: no.
INSERT INTO day_events (
    account_id, business_date, event_id, event, version, actor, reason, overridden, before_sha256, after_sha256,
    happened_at, run_id
) VALUES (
    %(account_id)s, %(business_date)s, %(event_id)s, %(event)s, %(version)s, %(actor)s, %(reason)s, %(overridden)s,
    %(before_sha256)s, %(after_sha256)s, %(now)s, %(run_id)s
)
