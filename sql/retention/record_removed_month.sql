-- Purpose:     note that a month was removed, and where its records are now, if anywhere.
-- Parameters:  account_id, first_day, records, archived_path, archived_sha256, now.
-- Grain:       account_id, month.   Locks: the row.   Idempotent: no; a month is removed once.
INSERT INTO removed_months (account_id, month, records, archived_path, archived_sha256, removed_at)
VALUES (%(account_id)s, %(first_day)s, %(records)s, %(archived_path)s, %(archived_sha256)s, %(now)s)
