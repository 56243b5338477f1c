-- Name:        mask_records
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

-- Name:        policies
-- Purpose:     what becomes of old records, for accounts of which it was said.
-- Parameters:  none.   Grain: account_id.   Locks: none.
SELECT
    account_id,
    keep_months,
    archive,
    mask_after_days,
    set_by,
    set_at
FROM retention_policies
ORDER BY account_id

-- Name:        set_policy
-- Purpose:     what becomes of an account's old records, in place of what was said before.
-- Parameters:  account_id, keep_months, archive, mask_after_days, set_by, now.
-- Grain:       account_id.   Locks: the row.   Idempotent: yes.
INSERT INTO retention_policies (account_id, keep_months, archive, mask_after_days, set_by, set_at)
VALUES (%(account_id)s, %(keep_months)s, %(archive)s, %(mask_after_days)s, %(set_by)s, %(now)s)
ON CONFLICT (account_id) DO UPDATE SET
    keep_months = excluded.keep_months,
    archive = excluded.archive,
    mask_after_days = excluded.mask_after_days,
    set_by = excluded.set_by,
    set_at = excluded.set_at
