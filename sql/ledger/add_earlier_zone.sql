-- Purpose:     note the zone in which an account was before a date.
-- Parameters:  account_id, until, time_zone, now.   Grain: account_id, until.   Locks: the row.   Idempotent: yes.
INSERT INTO account_zones (account_id, until, time_zone, changed_at)
VALUES (%(account_id)s, %(until)s, %(time_zone)s, %(now)s)
ON CONFLICT (account_id, until) DO NOTHING
