-- Purpose:     this session's own stage: a temporary table hides the shared one of the same name, so that loads share
--              neither rows nor locks, nothing is left by a killed one, and emptying it costs nothing.
-- Parameters:  none.   Grain: as cdr_stage and cdr_link_stage.   Locks: none on the shared tables that others wait for.
-- Idempotent:  yes. On a cluster it is not run: MERGE and joins there need the shared, distributed tables.
CREATE TEMPORARY TABLE IF NOT EXISTS {stage} (LIKE {stage} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS
