-- Purpose:     the account of one batch; the table refuses one that does not balance.
-- Parameters:  as named.   Grain: account_id, batch_id.   Locks: the row.   Idempotent: no, a batch is loaded once.
INSERT INTO batches (
    account_id, batch_id, kind, source, rows_read, rows_inserted, rows_updated, rows_unchanged, rows_duplicate,
    rows_rejected, rows_filtered, run_id, loaded_at
) VALUES (
    %(account_id)s, %(batch_id)s, %(kind)s, %(source)s, %(read)s, %(inserted)s, %(updated)s, %(unchanged)s,
    %(duplicate)s, %(rejected)s, %(filtered)s, %(run_id)s, %(now)s
)
