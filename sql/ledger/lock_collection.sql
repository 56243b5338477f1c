-- Purpose:     who holds an account's day, and whether the lease still runs by the warehouse's own clock.
-- Parameters:  account_id, business_date.   Grain: one row.   Locks: the row, until the end of the transaction.
SELECT
    fence,
    holder_pid,
    holder_started,
    leased_until > clock_timestamp() AS leased
FROM collections
WHERE account_id = %(account_id)s AND business_date = %(business_date)s
FOR UPDATE
