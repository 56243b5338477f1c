-- Purpose:     bulk-load the outcomes that a version found first.
-- Parameters:  columns in the order of the CSV that follows.   Grain: outcome_id.   Locks: none beyond the rows written.
-- Idempotent:  no; the version's transaction is.
COPY reconciled_calls ({columns}) FROM STDIN (FORMAT csv)
