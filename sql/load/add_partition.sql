-- Purpose:     a table that becomes the partition of a month.
-- Parameters:  table, partition: names, the first one of cdr and cdr_history.
-- Locks:       none that a reader or writer of the parent would wait for.   Idempotent: yes.
CREATE TABLE IF NOT EXISTS {partition} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
