-- Purpose:     what the ledger knows of one account's day, for its file and manifest.
-- Parameters:  account_id, business_date.   Grain: one row.   Locks: none.
SELECT
    (
        SELECT complete_through
        FROM days
        WHERE account_id = %(account_id)s AND business_date = %(business_date)s
    ) AS complete_through,
    coalesce(
        (
            SELECT changes
            FROM days
            WHERE account_id = %(account_id)s AND business_date = %(business_date)s
        ),
        0
    ) AS changes,
    (
        SELECT count(*)
        FROM rejects
        WHERE account_id = %(account_id)s AND business_date = %(business_date)s
    ) AS rejected_rows
