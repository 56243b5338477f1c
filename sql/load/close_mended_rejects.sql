-- Purpose:     rejected lines of an upload that is read again are closed where they are records now.
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
