-- Purpose:     rows by class of everything that was loaded from a day's windows.
-- Parameters:  account_ids (array), business_date.   Grain: one row.   Locks: none.
SELECT
    coalesce(sum(batches.rows_read), 0)::bigint AS read,
    coalesce(sum(batches.rows_inserted), 0)::bigint AS inserted,
    coalesce(sum(batches.rows_updated), 0)::bigint AS updated,
    coalesce(sum(batches.rows_unchanged), 0)::bigint AS unchanged,
    coalesce(sum(batches.rows_duplicate), 0)::bigint AS duplicate,
    coalesce(sum(batches.rows_rejected), 0)::bigint AS rejected,
    coalesce(sum(batches.rows_filtered), 0)::bigint AS filtered
FROM batches
INNER JOIN windows ON windows.account_id = batches.account_id AND windows.batch_id = batches.batch_id
WHERE batches.account_id = any(%(account_ids)s) AND windows.business_date = %(business_date)s
