-- Purpose:     make an account known, or change its name, parent, zone, country or whether it is collected.
-- Parameters:  as named.   Grain: account_id.   Locks: the row.   Idempotent: yes.
INSERT INTO accounts (account_id, name, parent_id, time_zone, country_code, active, added_at)
VALUES (%(account_id)s, %(name)s, %(parent_id)s, %(time_zone)s, %(country_code)s, %(active)s, %(now)s)
ON CONFLICT (account_id) DO UPDATE SET
    name = excluded.name,
    parent_id = excluded.parent_id,
    time_zone = excluded.time_zone,
    country_code = excluded.country_code,
    active = excluded.active
