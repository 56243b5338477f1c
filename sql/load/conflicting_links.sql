-- Purpose:     links of either record of a pair to another record. Links are looked up by either record's key, pair by
--              pair; see set_reconciled_links.
-- Parameters:  account_id; arrays of equal length imported_ids, api_ids.   Grain: a pair and a link.   Locks: none.
SELECT
    wanted.imported_record_id,
    wanted.api_record_id,
    link.imported_record_id AS linked_imported_id,
    link.api_record_id AS linked_api_id,
    link.basis
FROM unnest(%(imported_ids)s::text [], %(api_ids)s::text []) AS wanted (imported_record_id, api_record_id)
CROSS JOIN LATERAL (
    SELECT
        of_imported.imported_record_id,
        of_imported.api_record_id,
        of_imported.basis
    FROM cdr_links AS of_imported
    WHERE
        of_imported.account_id = %(account_id)s
        AND of_imported.imported_record_id = wanted.imported_record_id
    UNION
    SELECT
        of_api.imported_record_id,
        of_api.api_record_id,
        of_api.basis
    FROM cdr_links AS of_api
    WHERE of_api.account_id = %(account_id)s AND of_api.api_record_id = wanted.api_record_id
    OFFSET 0
) AS link
WHERE (link.imported_record_id, link.api_record_id) <> (wanted.imported_record_id, wanted.api_record_id)
