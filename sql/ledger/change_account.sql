-- Purpose:     change an account's name, parent, zone, country code, and whether it is collected.
-- Parameters:  as named.   Grain: account_id.   Locks: the row.   Idempotent: yes.
UPDATE accounts SET
    name = %(name)s,
    parent_id = %(parent_id)s,
    time_zone = %(time_zone)s,
    country_code = %(country_code)s,
    active = %(active)s
WHERE account_id = %(account_id)s
