-- Purpose:     the warehouse's own clock.   Parameters: none.   Grain: one row.   Locks: none.
SELECT clock_timestamp() AS moment
