-- Name:        broken_calls
-- Purpose:     rejected rows of calls that other uploads of a profile begin or end, open or completed by this upload.
-- Parameters:  account_id, source (of the upload that is loaded), profile, since.
-- Grain:       account_id, reject_id.   Locks: none; the caller holds the account's advisory lock.
SELECT
    rejects.source,
    rejects.line,
    rejects.raw,
    uploads.landing_path
FROM rejects
INNER JOIN uploads ON uploads.account_id = rejects.account_id AND uploads.sha256 = rejects.source
WHERE
    rejects.account_id = %(account_id)s
    AND rejects.origin = 'imported'
    AND rejects.reason = 'broken_call'
    AND rejects.source <> %(source)s
    AND rejects.rejected_at >= %(since)s
    AND (rejects.state = 'open' OR (rejects.state = 'corrected' AND rejects.corrected_by = %(source)s))
    AND uploads.profile = %(profile)s
    AND uploads.state = 'loaded'
    AND uploads.corrects IS NULL
ORDER BY rejects.rejected_at, rejects.source, rejects.line

-- Name:        close_broken_calls
-- Purpose:     close rejected rows of calls that this upload completes.
-- Parameters:  account_id, source (of this upload), sources and lines (arrays of the same length).
-- Grain:       account_id, reject_id.   Locks: those rows.   Idempotent: yes.
UPDATE rejects SET state = 'corrected', corrected_by = %(source)s
FROM unnest(%(sources)s::text [], %(lines)s::bigint []) AS completed (source, line)
WHERE
    rejects.account_id = %(account_id)s
    AND rejects.source = completed.source
    AND rejects.line = completed.line
    AND rejects.reason = 'broken_call'
    AND rejects.state = 'open'

-- Name:        reopen_broken_calls
-- Purpose:     open rejected rows of calls again that withdrawn uploads completed.
-- Parameters:  account_id, uploads (array).
-- Grain:       account_id, reject_id.   Locks: those rows.   Idempotent: yes.
UPDATE rejects SET state = 'open', corrected_by = NULL
WHERE
    account_id = %(account_id)s
    AND reason = 'broken_call'
    AND state = 'corrected'
    AND corrected_by = any(%(uploads)s::text [])
    AND source <> all(%(uploads)s::text [])

-- Name:        close_corrected_rejects
-- Purpose:     close rejected lines of an upload that were imported again, here and under earlier corrections of the
--              upload; lines that are still wrong are open under the present correction.
-- Parameters:  account_id, corrects (sha256 of the first upload), source (of the correcting one), lines (array).
-- Grain:       account_id, reject_id.   Locks: those rows.   Idempotent: yes.
UPDATE rejects SET state = 'corrected', corrected_by = %(source)s
WHERE
    account_id = %(account_id)s
    AND source <> %(source)s
    AND source IN (
        SELECT sha256
        FROM uploads
        WHERE account_id = %(account_id)s AND (sha256 = %(corrects)s OR corrects = %(corrects)s)
    )
    AND line = any(%(lines)s::bigint [])
    AND state = 'open'

-- Name:        close_fixed_rejects
-- Purpose:     close rejected lines of a replayed upload that are now valid records.
-- Parameters:  account_id, batch_id, source (sha256 of the upload).
-- Grain:       account_id, reject_id.   Locks: those rows.   Idempotent: yes.
UPDATE rejects SET state = 'corrected', corrected_by = %(source)s
FROM cdr_stage AS staged
WHERE
    rejects.account_id = %(account_id)s
    AND rejects.source = %(source)s
    AND rejects.state = 'open'
    AND staged.account_id = rejects.account_id
    AND staged.batch_id = %(batch_id)s
    AND staged.source_line = rejects.line

-- Name:        close_rejects_of_copied
-- Purpose:     as close_fixed_rejects, for records that the batch has inserted without the stage.
-- Parameters:  account_id, batch_id, source (sha256 of the upload); dates (array): days of these records.
-- Grain:       account_id, reject_id.   Locks: those rows.   Idempotent: yes.
UPDATE rejects SET state = 'corrected', corrected_by = %(source)s
FROM cdr AS stored
WHERE
    rejects.account_id = %(account_id)s
    AND rejects.source = %(source)s
    AND rejects.state = 'open'
    AND stored.account_id = rejects.account_id
    AND stored.batch_id = %(batch_id)s
    AND stored.business_date = any(%(dates)s::date [])
    AND stored.source_line = rejects.line

-- Name:        close_withdrawn_rejects
-- Purpose:     close the open rejected lines of uploads that are withdrawn.
-- Parameters:  account_id, source (of the upload that takes their place), uploads (array), decided_by, now.
-- Grain:       account_id, reject_id.   Locks: those rows.   Idempotent: yes.
UPDATE rejects SET
    state = 'corrected',
    corrected_by = %(source)s,
    decided_by = %(decided_by)s,
    decided_at = %(now)s
WHERE
    account_id = %(account_id)s
    AND origin = 'imported'
    AND source = any(%(uploads)s::text [])
    AND state = 'open'

-- Name:        insert_rejects
-- Purpose:     bulk-load rejected rows; skips rows that are already stored, as from overlapping windows.
--              Those of earlier versions get the day and the amount that they lack.
-- Parameters:  account_id, batch_id, origin, source, now; arrays reject_ids, lines, fields, reasons, raws, details,
--              dates, amounts, currencies, carriers.
-- Grain:       account_id, reject_id.
-- Locks:       the rows written.   Idempotent: yes.
INSERT INTO rejects (
    account_id, reject_id, batch_id, origin, source, line, field, reason, raw, detail, business_date, amount, currency,
    carrier, rejected_at
)
SELECT
    %(account_id)s,
    fresh.reject_id,
    %(batch_id)s,
    %(origin)s,
    %(source)s,
    fresh.line,
    fresh.field,
    fresh.reason,
    fresh.raw,
    fresh.detail,
    fresh.business_date,
    fresh.amount,
    fresh.currency,
    fresh.carrier,
    %(now)s
FROM unnest(
    %(reject_ids)s::text [], %(lines)s::bigint [], %(fields)s::text [], %(reasons)s::text [], %(raws)s::text [],
    %(details)s::text [], %(dates)s::date [], %(amounts)s::numeric [], %(currencies)s::text [], %(carriers)s::text []
) AS fresh (reject_id, line, field, reason, raw, detail, business_date, amount, currency, carrier)
ON CONFLICT (account_id, reject_id) DO UPDATE SET
    business_date = coalesce(rejects.business_date, excluded.business_date),
    amount = coalesce(rejects.amount, excluded.amount),
    currency = coalesce(rejects.currency, excluded.currency),
    carrier = coalesce(rejects.carrier, excluded.carrier)
WHERE
    (rejects.business_date IS NULL AND excluded.business_date IS NOT NULL)
    OR (rejects.amount IS NULL AND excluded.amount IS NOT NULL)

-- Name:        place_rejects
-- Purpose:     give a day and a carrier to the rejected lines of a file that have none of their own.
-- Parameters:  account_id, source (sha256 of the upload), main_day, main_carrier (null for none).
-- Grain:       account_id, reject_id.   Locks: those rows.   Idempotent: yes.
UPDATE rejects SET
    business_date = coalesce(business_date, %(main_day)s),
    carrier = coalesce(carrier, %(main_carrier)s)
WHERE
    account_id = %(account_id)s
    AND source = %(source)s
    AND origin = 'imported'
    AND (business_date IS NULL OR carrier IS NULL)

-- Name:        touch_days_of_rejects
-- Purpose:     increase the change counter of open days with rejected lines that a batch added or closed, so that their
--              manifests are written again. Sealed days stay as they are: their records have not changed.
-- Parameters:  account_id, batch_id, source (sha256 of the upload), now.   Grain: business_date.
-- Locks:       the days' rows; the caller holds the account's advisory lock.
-- Idempotent:  no, it counts; the batch's transaction runs it once.
UPDATE days SET changes = days.changes + 1, changed_at = %(now)s
FROM (
    SELECT DISTINCT
        account_id,
        business_date
    FROM rejects
    WHERE
        account_id = %(account_id)s
        AND (batch_id = %(batch_id)s OR (corrected_by = %(source)s AND state = 'corrected'))
) AS rejected
WHERE
    days.account_id = rejected.account_id
    AND days.account_id = %(account_id)s
    AND days.business_date = rejected.business_date
    AND days.state = 'open'
RETURNING days.business_date

-- Name:        dismiss_rejects
-- Purpose:     close open rejected rows by a decision: those of a source, of a day, or of a source on a day.
-- Parameters:  account_id, source (null for all), business_date (null for all), decided_by, reason, now.
-- Grain:       account_id, reject_id; returns their days.   Locks: those rows.   Idempotent: yes.
UPDATE rejects SET
    state = 'dismissed',
    decided_by = %(decided_by)s,
    decision_reason = %(reason)s,
    decided_at = %(now)s
WHERE
    account_id = %(account_id)s
    AND state = 'open'
    AND (%(source)s::text IS NULL OR source = %(source)s)
    AND (%(business_date)s::date IS NULL OR business_date = %(business_date)s)
RETURNING business_date

-- Name:        open_rejects
-- Purpose:     open rejected rows of a file, or of the switch on a day, that were rejected since an instant or belong to
--              a day.
-- Parameters:  account_ids (array), since and business_date (null for none).
-- Grain:       account_id, origin, source of a file, business_date.   Locks: none.
SELECT
    rejects.account_id,
    rejects.origin,
    uploads.sha256,
    uploads.file_name,
    rejects.business_date,
    count(*) AS row_count,
    array_agg(DISTINCT rejects.reason ORDER BY rejects.reason) AS reasons,
    min(rejects.rejected_at) AS since
FROM rejects
LEFT JOIN uploads
    ON
        uploads.account_id = rejects.account_id
        AND uploads.sha256 = rejects.source
        AND rejects.origin = 'imported'
WHERE
    rejects.account_id = any(%(account_ids)s)
    AND rejects.state = 'open'
    AND (rejects.rejected_at >= %(since)s::timestamptz OR rejects.business_date = %(business_date)s::date)
GROUP BY rejects.account_id, rejects.origin, uploads.sha256, uploads.file_name, rejects.business_date
ORDER BY rejects.account_id, rejects.origin, rejects.business_date, uploads.file_name

-- Name:        reject_reasons
-- Purpose:     how many rejected rows are open, by reason.   Parameters: account_ids (array).
-- Grain:       account_id, origin, reason, field.   Locks: none.
SELECT
    account_id,
    origin,
    reason,
    field,
    count(*) AS row_count
FROM rejects
WHERE account_id = any(%(account_ids)s) AND state = 'open'
GROUP BY account_id, origin, reason, field
ORDER BY account_id, origin, reason, field

-- Name:        reject_sources
-- Purpose:     rejected rows by source, reason and field, with the detail of one of them.
-- Parameters:  account_ids (array), state.   Grain: account_id, origin, source, reason, field.   Locks: none.
SELECT
    rejects.account_id,
    rejects.origin,
    rejects.source,
    uploads.file_name,
    uploads.profile,
    rejects.reason,
    rejects.field,
    count(*) AS row_count,
    min(rejects.line) AS first_line,
    min(rejects.detail) AS detail
FROM rejects
LEFT JOIN uploads
    ON uploads.account_id = rejects.account_id AND uploads.sha256 = rejects.source
WHERE rejects.account_id = any(%(account_ids)s) AND rejects.state = %(state)s
GROUP BY
    rejects.account_id, rejects.origin, rejects.source, uploads.file_name, uploads.profile, rejects.reason,
    rejects.field
ORDER BY rejects.account_id, rejects.origin, rejects.source, row_count DESC, rejects.reason, rejects.field

-- Name:        rejects
-- Purpose:     rejected rows of a source, by line.
-- Parameters:  account_id, source, state.   Grain: account_id, reject_id.   Locks: none.
SELECT
    line,
    field,
    reason,
    raw,
    detail
FROM rejects
WHERE account_id = %(account_id)s AND source = %(source)s AND state = %(state)s
ORDER BY line, reject_id

-- Name:        upload_reject_reasons
-- Purpose:     number of rejected lines of an upload by reason, including lines corrected since.
-- Parameters:  account_id, source (sha256).   Grain: reason.   Locks: none.
SELECT
    reason,
    count(*) AS row_count
FROM rejects
WHERE account_id = %(account_id)s AND source = %(source)s
GROUP BY reason
ORDER BY reason
