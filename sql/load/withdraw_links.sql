-- Purpose:     withdraw links by call id that hold no longer, and links by reconciliation that one by call id replaces.
-- Parameters:  account_id, batch_id.   Grain: account_id, imported_record_id; returns both records' days.
-- Locks:       the rows deleted.   Idempotent: yes.
DELETE FROM cdr_links AS link
USING (
    SELECT l.account_id, l.imported_record_id
    FROM cdr_links AS l
    INNER JOIN cdr_link_stage AS staged
        ON
            staged.account_id = l.account_id
            AND staged.origin = 'imported'
            AND staged.record_id = l.imported_record_id
    WHERE
        staged.account_id = %(account_id)s
        AND staged.batch_id = %(batch_id)s
        AND staged.partner_id IS DISTINCT FROM l.api_record_id
        AND (l.basis = 'call_id' OR staged.partner_id IS NOT NULL)
    UNION
    SELECT l.account_id, l.imported_record_id
    FROM cdr_links AS l
    INNER JOIN cdr_link_stage AS staged
        ON
            staged.account_id = l.account_id
            AND staged.origin = 'api'
            AND staged.record_id = l.api_record_id
    WHERE
        staged.account_id = %(account_id)s
        AND staged.batch_id = %(batch_id)s
        AND staged.partner_id IS DISTINCT FROM l.imported_record_id
        AND (l.basis = 'call_id' OR staged.partner_id IS NOT NULL)
) AS ended
WHERE
    link.account_id = %(account_id)s
    AND ended.account_id = link.account_id
    AND ended.imported_record_id = link.imported_record_id
RETURNING link.imported_business_date, link.api_business_date
