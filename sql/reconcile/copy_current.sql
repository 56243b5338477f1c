-- Purpose:     what the newest version says of each call, as far as two versions are compared by it.
-- Parameters:  account_id, carrier, business_date.   Grain: outcome_id.   Locks: none.
COPY (
    SELECT
        outcome_id,
        class,
        is_break,
        switch_record_id,
        carrier_record_id
    FROM reconciled_calls
    WHERE
        account_id = %(account_id)s
        AND carrier = %(carrier)s
        AND business_date = %(business_date)s
        AND until_version IS NULL
) TO STDOUT (FORMAT csv)
