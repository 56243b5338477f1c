-- Purpose:     bulk-load rejected rows; one that was rejected before (overlapping windows, a file fed again) is known.
-- Parameters:  account_id, batch_id, origin, source, business_date, now; arrays reject_ids, lines, fields, reasons, raws.
-- Grain:       account_id, reject_id.
-- Locks:       the rows written.   Idempotent: yes.
INSERT INTO rejects (
    account_id, reject_id, batch_id, origin, source, line, field, reason, raw, business_date, rejected_at
)
SELECT
    %(account_id)s,
    fresh.reject_id,
    %(batch_id)s,
    %(origin)s,
    %(source)s,
    fresh.line,
    fresh.field,
    fresh.reason,
    fresh.raw,
    %(business_date)s::date,
    %(now)s
FROM unnest(
    %(reject_ids)s::text [], %(lines)s::bigint [], %(fields)s::text [], %(reasons)s::text [], %(raws)s::text []
) AS fresh (reject_id, line, field, reason, raw)
ON CONFLICT (account_id, reject_id) DO NOTHING
