-- Purpose:     every window of the day is loaded; the day is complete for the switch up to complete_through, and its
--              volume is usual for the account or not.
-- Parameters:  as named.   Grain: account_id, business_date.   Locks: the row.   Idempotent: yes.
INSERT INTO days AS day (
    account_id, business_date, state, changes, exported_changes, collected_at, complete_through, volume, usual_rows
)
VALUES (
    %(account_id)s, %(business_date)s, 'open', 0, 0, %(now)s, %(complete_through)s, %(volume)s, %(usual_rows)s
)
ON CONFLICT (account_id, business_date) DO UPDATE SET
    collected_at = excluded.collected_at,
    complete_through = greatest(excluded.complete_through, day.complete_through),
    volume = excluded.volume,
    usual_rows = excluded.usual_rows
