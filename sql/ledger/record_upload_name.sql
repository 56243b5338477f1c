-- Purpose:     a file has come in under a name, be its bytes known or not; what the name says about its series is kept.
-- Parameters:  as named.   Grain: account_id, sha256, file_name.   Locks: the row.   Idempotent: yes; the first stays.
INSERT INTO upload_names (
    account_id, sha256, file_name, profile, file_date, file_sequence, received_at
) VALUES (
    %(account_id)s, %(sha256)s, %(file_name)s, %(profile)s, %(file_date)s, %(file_sequence)s, %(now)s
)
ON CONFLICT (account_id, sha256, file_name) DO NOTHING
