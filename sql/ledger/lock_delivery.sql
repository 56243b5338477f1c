-- Purpose:     the right to send a file to a target; nothing when another process has it, or the file is not due.
-- Parameters:  account_id, target, path, states (array).   Grain: one row or none.
-- Locks:       the row, until the end of the transaction.
SELECT
    deliveries.path,
    deliveries.sha256,
    deliveries.bytes AS size,
    export_files.manifest
FROM deliveries
INNER JOIN export_files
    ON
        export_files.account_id = deliveries.account_id
        AND export_files.business_date = deliveries.business_date
        AND export_files.version = deliveries.version
        AND export_files.path = deliveries.path
WHERE
    deliveries.account_id = %(account_id)s
    AND deliveries.target = %(target)s
    AND deliveries.path = %(path)s
    AND deliveries.state = any(%(states)s)
FOR UPDATE OF deliveries SKIP LOCKED
