-- Purpose:     the revision of the tables.   Parameters: none.   Grain: one row.   Locks: none.
SELECT version_num
FROM alembic_version
