-- Purpose:     bulk-load the keys and digests of records that stand in the warehouse, the same in everything.
-- Parameters:  columns those of the CSV that follows; the stage's other columns stay empty.
-- Grain:       one row per record as its origin delivered it; the same record may stand here more than once.
-- Locks:       none beyond the rows written.   Idempotent: no; the batch's transaction is.
COPY cdr_stage ({columns}) FROM STDIN (FORMAT csv)
