-- Purpose:     what a month's legs come to, before they are removed.
-- Parameters:  account_id, first_day, end_day.   Grain: account_id, business_date, origin, cost_currency.
-- Locks:       the rows written.   Idempotent: no; the month is removed once, in the same transaction.
INSERT INTO retained_totals (
    account_id, business_date, origin, cost_currency, legs, duration_seconds, billing_seconds, cost
)
SELECT
    account_id,
    business_date,
    origin,
    coalesce(cost_currency, ''),
    count(*),
    coalesce(sum(duration_seconds), 0),
    coalesce(sum(billing_seconds), 0),
    coalesce(sum(cost), 0)
FROM cdr_merged
WHERE
    account_id = %(account_id)s
    AND business_date >= %(first_day)s
    AND business_date < %(end_day)s
GROUP BY account_id, business_date, origin, coalesce(cost_currency, '')
