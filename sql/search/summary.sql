-- Purpose:     billed seconds of a search by direction, far side, kind of number and rate; each leg counts once.
-- Parameters:  what the conditions bind.   Grain: direction, domain, classifier, rate_name.   Locks: none.
-- A leg whose far side is its own realm stays within the account and is no carrier's.
WITH legs AS (
    SELECT
        record.call_direction AS direction,
        record.realm,
        record.rate_name,
        record.billing_seconds,
        CASE record.call_direction
            WHEN 'inbound' THEN coalesce(record.from_host, split_part(record.sip_from, '@', 2))
            ELSE coalesce(record.to_host, split_part(record.sip_to, '@', 2))
        END AS domain,
        record.callee_e164 AS number,
        CASE record.call_direction
            WHEN 'inbound' THEN record.callee_id_number
            ELSE coalesce(record.dialed_number, record.callee_id_number)
        END AS dialled
    FROM cdr_merged AS record
    WHERE {conditions} AND record.call_direction IS NOT NULL
)

SELECT
    direction,
    coalesce(nullif(domain, ''), 'unknown') AS domain,
    CASE
        WHEN dialled IN ('911', '933', '112', '999') THEN 'emergency'
        WHEN number ~ '^\+1(800|822|833|844|855|866|877|888)' THEN 'tollfree_us'
        WHEN number ~ '^\+1900' THEN 'toll_us'
        WHEN
            number
            ~ '^\+1(242|246|264|268|284|340|345|441|473|649|658|664|670|671|684|721|758|767|784|787|809|829|849|868|869|876|939)'
            THEN 'caribbean'
        WHEN number ~ '^\+1[2-9]' THEN 'did_us'
        WHEN number IS NOT NULL THEN 'international'
        ELSE 'unknown'
    END AS classifier,
    rate_name,
    coalesce(sum(billing_seconds), 0) AS seconds
FROM legs
WHERE domain IS DISTINCT FROM realm OR realm IS NULL
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
