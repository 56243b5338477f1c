-- Purpose:     note the other record of each leg of which one record is erased: it tells of the same call.
--              One that was erased before is noted again: its day shows the leg.
-- Parameters:  account_id, erasure_id.   Grain: account_id, origin, record_id, business_date.
-- Locks:       the rows written; the caller holds the account's advisory lock.   Idempotent: yes.
INSERT INTO erased_records (account_id, origin, record_id, business_date, erasure_id)
SELECT DISTINCT
    twin.account_id,
    twin.origin,
    twin.record_id,
    twin.business_date,
    %(erasure_id)s
FROM erased_records AS erased
INNER JOIN cdr_links AS link
    ON
        link.account_id = erased.account_id
        AND (
            (erased.origin = 'api' AND link.api_record_id = erased.record_id)
            OR (erased.origin = 'imported' AND link.imported_record_id = erased.record_id)
        )
CROSS JOIN LATERAL (
    VALUES
    (link.account_id, 'api', link.api_record_id, link.api_business_date),
    (link.account_id, 'imported', link.imported_record_id, link.imported_business_date)
) AS twin (account_id, origin, record_id, business_date)
WHERE
    erased.account_id = %(account_id)s
    AND erased.erasure_id = %(erasure_id)s
ON CONFLICT (account_id, origin, record_id, business_date) DO UPDATE SET erasure_id = excluded.erasure_id
