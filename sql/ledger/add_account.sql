-- Purpose:     add an account; one that is known stays as it is.
-- Parameters:  as named.   Grain: account_id.   Locks: the row.   Idempotent: yes.
INSERT INTO accounts (account_id, name, parent_id, time_zone, country_code, active, added_at)
VALUES (%(account_id)s, %(name)s, %(parent_id)s, %(time_zone)s, %(country_code)s, %(active)s, %(now)s)
ON CONFLICT (account_id) DO NOTHING
