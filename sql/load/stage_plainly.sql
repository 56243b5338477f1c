-- Purpose:     leave long texts of the session's own stage as they are: compressing what is read once costs a third
--              of the time of staging it.
-- Parameters:  stage: name of the session's temporary table.   Locks: that table, which nobody else can see.
-- Idempotent:  yes.
ALTER TABLE {stage}
ALTER COLUMN extra_source SET STORAGE EXTERNAL,
ALTER COLUMN detail_source SET STORAGE EXTERNAL,
ALTER COLUMN remote_sdp SET STORAGE EXTERNAL,
ALTER COLUMN local_sdp SET STORAGE EXTERNAL
