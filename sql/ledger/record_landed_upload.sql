-- Purpose:     a file has come in; one that was refused before may be fed again under another profile. sha256 is the
--              upload's id, see UploadTable.upload_id.
-- Parameters:  as named.   Grain: account_id, sha256.   Locks: the row.   Idempotent: yes.
INSERT INTO uploads (
    account_id, sha256, content_sha256, profile, time_zone, file_name, bytes, landing_path, state, received_at, corrects
) VALUES (
    %(account_id)s, %(sha256)s, %(content_sha256)s, %(profile)s, %(time_zone)s, %(file_name)s, %(bytes)s,
    %(landing_path)s, 'landed', %(now)s, %(corrects)s
)
ON CONFLICT (account_id, sha256) DO UPDATE SET
    profile = excluded.profile,
    time_zone = excluded.time_zone,
    file_name = excluded.file_name,
    state = excluded.state,
    error_code = NULL,
    error_message = NULL,
    received_at = excluded.received_at,
    corrects = excluded.corrects
WHERE uploads.state = 'refused' OR (uploads.state = 'landed' AND uploads.profile = excluded.profile)
