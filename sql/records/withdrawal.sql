-- Name:        delete_withdrawn_keys
-- Purpose:     delete the keys of withdrawn records.
-- Parameters:  account_id, batch_id, origin.   Grain: account_id, origin, record_id.   Locks: the rows deleted.
-- Idempotent:  yes.
DELETE FROM cdr_keys AS known
USING cdr_history AS past
WHERE
    known.account_id = %(account_id)s
    AND known.origin = %(origin)s
    AND past.account_id = known.account_id
    AND past.origin = known.origin
    AND past.record_id = known.record_id
    AND past.replaced_by = %(batch_id)s

-- Name:        delete_withdrawn_links
-- Purpose:     delete all links of withdrawn records, by call id and by reconciliation.
-- Parameters:  account_id, batch_id.   Grain: account_id, imported_record_id; returns both records' days.
-- Locks:       the rows deleted.   Idempotent: yes.
DELETE FROM cdr_links AS link
USING cdr_history AS past
WHERE
    link.account_id = %(account_id)s
    AND past.account_id = link.account_id
    AND past.origin = 'imported'
    AND past.record_id = link.imported_record_id
    AND past.replaced_by = %(batch_id)s
RETURNING link.imported_business_date, link.api_business_date

-- Name:        delete_withdrawn_records
-- Purpose:     delete withdrawn records; their history keeps them.
-- Parameters:  account_id, batch_id, origin, dates (array): days of the records.
-- Grain:       account_id, origin, record_id.   Locks: the rows deleted.   Idempotent: yes.
DELETE FROM cdr AS present
USING cdr_history AS past
WHERE
    present.account_id = %(account_id)s
    AND present.origin = %(origin)s
    AND present.business_date = any(%(dates)s::date [])
    AND past.account_id = present.account_id
    AND past.origin = present.origin
    AND past.record_id = present.record_id
    AND past.replaced_by = %(batch_id)s

-- Name:        insert_withdrawn_history
-- Purpose:     copy records of earlier loads of uploads to the history, except records that the present load has staged.
--              A record that a later file has changed belongs to that file.
-- Parameters:  account_id, batch_id, origin, now; uploads (array): ids of the uploads.
-- Grain:       account_id, origin, record_id, replaced_by.   Locks: none beyond the rows written.
-- Idempotent:  yes, per batch.
INSERT INTO cdr_history ({columns}, replaced_by, replaced_at)
SELECT
    {present},
    %(batch_id)s,
    %(now)s
FROM cdr AS present
INNER JOIN batches
    ON batches.account_id = present.account_id AND batches.batch_id = present.batch_id
LEFT JOIN cdr_stage AS staged
    ON
        staged.account_id = present.account_id
        AND staged.batch_id = %(batch_id)s
        AND staged.origin = present.origin
        AND staged.record_id = present.record_id
WHERE
    present.account_id = %(account_id)s
    AND present.origin = %(origin)s
    AND batches.kind = 'upload'
    AND batches.source = any(%(uploads)s::text [])
    AND staged.record_id IS NULL

-- Name:        withdrawn_days
-- Purpose:     days of withdrawn records. Runs before the batch is merged: until then its history is what it withdraws.
-- Parameters:  account_id, batch_id.   Grain: business_date.   Locks: none.
SELECT DISTINCT business_date
FROM cdr_history
WHERE account_id = %(account_id)s AND replaced_by = %(batch_id)s
ORDER BY business_date
