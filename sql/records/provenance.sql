-- Name:        record_sources
-- Purpose:     what delivered records: load, file and line, for the records of one call near a day.
-- Parameters:  account_id, record_ids (array), first_date, last_date.   Grain: origin, record_id.   Locks: none.
SELECT
    record.origin,
    record.record_id,
    record.business_date,
    record.source_line,
    batch.loaded_at,
    upload.file_name,
    upload.profile,
    upload.sha256
FROM cdr AS record
LEFT JOIN batches AS batch
    ON batch.account_id = record.account_id AND batch.batch_id = record.batch_id
LEFT JOIN uploads AS upload
    ON upload.account_id = batch.account_id AND upload.sha256 = batch.source
WHERE
    record.account_id = %(account_id)s
    AND record.origin IN ('api', 'imported')
    AND record.record_id = any(%(record_ids)s::text [])
    AND record.business_date BETWEEN %(first_date)s AND %(last_date)s
ORDER BY record.origin, record.record_id
