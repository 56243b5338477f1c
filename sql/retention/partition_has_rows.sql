-- Purpose:     whether a month's partition has rows of anybody.
-- Parameters:  partition: its name.   Grain: one row.   Locks: none.
SELECT EXISTS (SELECT 1 FROM {partition}) AS has_rows
