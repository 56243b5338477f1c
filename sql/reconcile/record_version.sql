-- Purpose:     a version of a carrier's day is written, with what it says as a whole.
-- Parameters:  as named; totals as JSON text.   Grain: account_id, carrier, business_date, version.
-- Locks:       the row; the caller holds the account's advisory lock.   Idempotent: no, a version is written once.
INSERT INTO reconciliations (
    account_id, carrier, business_date, version, status, light, findings, inputs_hash, rules_hash, code_version, profile,
    currency, switch_rows, switch_seconds, switch_amount, carrier_rows, carrier_seconds, carrier_amount, breaks,
    exposure, offset_status, offset_ms, drift_ppm, spread_ms, offset_pairs, offset_finding, appeared, resolved, changed,
    totals, seen_changes, run_id, reconciled_at
)
VALUES (
    %(account_id)s, %(carrier)s, %(business_date)s, %(version)s, %(status)s, %(light)s, %(findings)s, %(inputs_hash)s,
    %(rules_hash)s, %(code_version)s, %(profile)s, %(currency)s, %(switch_rows)s, %(switch_seconds)s, %(switch_amount)s,
    %(carrier_rows)s, %(carrier_seconds)s, %(carrier_amount)s, %(breaks)s, %(exposure)s, %(offset_status)s,
    %(offset_ms)s, %(drift_ppm)s, %(spread_ms)s, %(offset_pairs)s, %(offset_finding)s, %(appeared)s, %(resolved)s,
    %(changed)s, %(totals)s::jsonb, %(seen_changes)s, %(run_id)s, %(now)s
)
