-- Purpose:     bulk-load one chunk of a batch into the stage.
-- Parameters:  columns the stage's columns in the order of the CSV that follows.
-- Grain:       one row per record as its origin delivered it; the same record may stand here more than once.
-- Locks:       none beyond the rows written.   Idempotent: no; the batch's transaction is.
COPY cdr_stage ({columns}) FROM STDIN (FORMAT csv)
