-- Purpose:     money that the newest reconciliations of each day leave open, and how many breaks.
-- Parameters:  account_ids (array), first_date.   Grain: business_date, currency.   Locks: none.
SELECT
    business_date,
    currency,
    sum(breaks)::bigint AS breaks,
    sum(exposure) AS exposure,
    count(*) FILTER (WHERE light = 'red' AND status = 'final') AS red
FROM (
    SELECT DISTINCT ON (account_id, carrier, business_date)
        business_date,
        currency,
        breaks,
        exposure,
        light,
        status
    FROM reconciliations
    WHERE account_id = any(%(account_ids)s) AND business_date >= %(first_date)s
    ORDER BY account_id, carrier, business_date, version DESC
) AS newest
GROUP BY business_date, currency
ORDER BY business_date, currency
