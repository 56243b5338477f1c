-- Purpose:     take names, documents and the last four digits of numbers from the records of the legs of some days. A
--              leg belongs to the day of its API record: no day that is not named shows it. Digests stay: the same
--              record delivered again is known as such and unmasks nothing.
-- Parameters:  account_id, dates (array); first_date, last_date: days on which records of such legs are; table cdr or
--              cdr_history; assignments, and the columns before and after.
-- Grain:       record.   Locks: the rows changed; the caller holds the account's advisory lock.   Idempotent: yes.
UPDATE {table} AS record SET
    {assignments}
WHERE
    account_id = %(account_id)s
    AND business_date BETWEEN %(first_date)s AND %(last_date)s
    AND coalesce(
        (
            SELECT link.api_business_date
            FROM cdr_links AS link
            WHERE
                link.account_id = record.account_id
                AND link.imported_record_id = record.record_id
                AND record.origin = 'imported'
        ),
        business_date
    ) = any(%(dates)s::date [])
    AND ROW({before}) IS DISTINCT FROM ROW({after})
