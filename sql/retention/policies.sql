-- Name:        mask_records
-- Purpose:     mask names, documents and the last four digits of numbers of the records of some days' legs. A leg
--              belongs to the day of its API record, so other days do not show it. Digests stay, so delivering the
--              same record again does not restore its values.
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
-- Purpose:     retention policies of accounts.
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
-- Purpose:     set the retention policy of an account; replaces an earlier one.
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
