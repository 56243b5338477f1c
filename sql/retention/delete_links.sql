-- Purpose:     remove the links of a month's legs; a leg belongs to the day of its API record.
-- Parameters:  account_id, first_day, end_day.   Grain: account_id, imported_record_id.
-- Locks:       the rows; the caller holds the account's advisory lock.   Idempotent: yes.
DELETE FROM cdr_links
WHERE
    account_id = %(account_id)s
    AND api_business_date >= %(first_day)s
    AND api_business_date < %(end_day)s
