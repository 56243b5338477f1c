-- Name:        add_user
-- Purpose:     add a user of the console, without a password yet, unless a user of this name exists.
-- Parameters:  user_id, name, role, account_id: null for all accounts, now.
-- Grain:       user_id.   Locks: none.   Idempotent: yes.
INSERT INTO console_users (user_id, name, role, account_id, created_at)
VALUES (%(user_id)s, %(name)s, %(role)s, %(account_id)s, %(now)s)
ON CONFLICT DO NOTHING

-- Name:        users
-- Purpose:     users of the console by name; one of them if an id or a name is given.
-- Parameters:  user_id: null for any, name: null for any.   Grain: user_id.   Locks: none.
SELECT
    user_id,
    name,
    role,
    account_id,
    password_hash IS NOT NULL AS has_password,
    created_at,
    signed_in_at,
    disabled_at
FROM console_users
WHERE
    (%(user_id)s::text IS NULL OR user_id = %(user_id)s)
    AND (%(name)s::text IS NULL OR lower(name) = lower(%(name)s))
ORDER BY lower(name)

-- Name:        password_hash
-- Purpose:     hash of a user's password.   Parameters: user_id.   Grain: one row.   Locks: none.
SELECT password_hash
FROM console_users
WHERE user_id = %(user_id)s

-- Name:        lacks_api_credentials
-- Purpose:     whether a user's password was stored without the hashes that logins over the API are compared with.
-- Parameters:  user_id.   Grain: one row or none.   Locks: none.
SELECT api_credentials = ARRAY[]::text [] AS lacks
FROM console_users
WHERE user_id = %(user_id)s

-- Name:        user_of_api_credentials
-- Purpose:     the active user whose name and password have this hash.
-- Parameters:  credentials.   Grain: one row or none.   Locks: none.
SELECT user_id
FROM console_users
WHERE %(credentials)s = any(api_credentials) AND disabled_at IS NULL

-- Name:        set_password
-- Purpose:     store the hashes of a new password.
-- Parameters:  user_id, password_hash, api_credentials.   Grain: user_id.   Locks: the row.   Idempotent: yes.
UPDATE console_users
SET
    password_hash = %(password_hash)s,
    api_credentials = %(api_credentials)s
WHERE user_id = %(user_id)s

-- Name:        change_user
-- Purpose:     change role and account of a user, or disable and enable the user.
-- Parameters:  user_id, role, account_id, disabled_at.   Grain: user_id.   Locks: the row.   Idempotent: yes.
UPDATE console_users
SET
    role = %(role)s,
    account_id = %(account_id)s,
    disabled_at = %(disabled_at)s
WHERE user_id = %(user_id)s

-- Name:        user_of_identity
-- Purpose:     the user who is bound to a person of an identity provider.
-- Parameters:  issuer, subject.   Grain: one row or none.   Locks: none.
SELECT user_id
FROM console_users
WHERE identity_issuer = %(issuer)s AND identity_subject = %(subject)s

-- Name:        bind_identity
-- Purpose:     bind a user to a person of an identity provider, unless the user is bound to another one.
-- Parameters:  user_id, issuer, subject.   Grain: user_id.   Locks: the row.   Idempotent: yes.
UPDATE console_users
SET
    identity_issuer = %(issuer)s,
    identity_subject = %(subject)s
WHERE
    user_id = %(user_id)s
    AND (identity_subject IS NULL OR (identity_issuer = %(issuer)s AND identity_subject = %(subject)s))

-- Name:        add_link
-- Purpose:     add a one-time link; only its hash is stored.
-- Parameters:  digest, user_id, purpose, now, expires_at.   Grain: digest.   Locks: none.   Idempotent: no.
INSERT INTO console_links (digest, user_id, purpose, created_at, expires_at)
VALUES (%(digest)s, %(user_id)s, %(purpose)s, %(now)s, %(expires_at)s)

-- Name:        find_link
-- Purpose:     an unused, unexpired link.   Parameters: digest, now.   Grain: one row or none.   Locks: none.
SELECT
    user_id,
    purpose
FROM console_links
WHERE digest = %(digest)s AND used_at IS NULL AND expires_at > %(now)s

-- Name:        use_link
-- Purpose:     use a link; the second use of a link finds no row.
-- Parameters:  digest, now.   Grain: digest.   Locks: the row.   Idempotent: no.
UPDATE console_links
SET used_at = %(now)s
WHERE digest = %(digest)s AND used_at IS NULL AND expires_at > %(now)s

-- Name:        cancel_links
-- Purpose:     make all unused links of a user invalid.
-- Parameters:  user_id, now.   Grain: digest.   Locks: the rows.   Idempotent: yes.
UPDATE console_links
SET used_at = %(now)s
WHERE user_id = %(user_id)s AND used_at IS NULL

-- Name:        add_session
-- Purpose:     add a session; only the hash of its token is stored.
-- Parameters:  digest, user_id, now, expires_at.   Grain: digest.   Locks: none.   Idempotent: no.
INSERT INTO console_sessions (digest, user_id, created_at, last_used_at, expires_at)
VALUES (%(digest)s, %(user_id)s, %(now)s, %(now)s, %(expires_at)s)

-- Name:        note_sign_in
-- Purpose:     record when a user signed in.
-- Parameters:  user_id, now.   Grain: user_id.   Locks: the row.   Idempotent: yes.
UPDATE console_users
SET signed_in_at = %(now)s
WHERE user_id = %(user_id)s

-- Name:        find_session
-- Purpose:     the user of a valid session that was used recently.
-- Parameters:  digest, now, idle_since.   Grain: one row or none.   Locks: none.
SELECT
    console_users.user_id,
    console_users.name,
    console_users.role,
    console_users.account_id,
    console_sessions.last_used_at
FROM console_sessions
INNER JOIN console_users ON console_users.user_id = console_sessions.user_id
WHERE
    console_sessions.digest = %(digest)s
    AND console_sessions.ended_at IS NULL
    AND console_sessions.expires_at > %(now)s
    AND console_sessions.last_used_at > %(idle_since)s
    AND console_users.disabled_at IS NULL

-- Name:        touch_session
-- Purpose:     record that a session is in use.
-- Parameters:  digest, now.   Grain: digest.   Locks: the row.   Idempotent: yes.
UPDATE console_sessions
SET last_used_at = %(now)s
WHERE digest = %(digest)s

-- Name:        end_session
-- Purpose:     end a session.   Parameters: digest, now.   Grain: digest.   Locks: the row.   Idempotent: yes.
UPDATE console_sessions
SET ended_at = %(now)s
WHERE digest = %(digest)s AND ended_at IS NULL

-- Name:        end_sessions
-- Purpose:     end all sessions of a user.   Parameters: user_id, now.   Grain: digest.   Locks: the rows.
-- Idempotent:  yes.
UPDATE console_sessions
SET ended_at = %(now)s
WHERE user_id = %(user_id)s AND ended_at IS NULL

-- Name:        forget_sessions
-- Purpose:     delete sessions and links that ended or expired before an instant.
-- Parameters:  before.   Grain: digest.   Locks: the rows.   Idempotent: yes.
WITH links AS (
    DELETE FROM console_links
    WHERE expires_at < %(before)s
)

DELETE FROM console_sessions
WHERE expires_at < %(before)s

-- Name:        add_console_event
-- Purpose:     record what a user did.
-- Parameters:  event_id, now, user_id, action, account_id, business_date, subject, reason.
-- Grain:       event_id.   Locks: none.   Idempotent: no.
INSERT INTO console_events (
    event_id, happened_at, user_id, action, account_id, business_date, subject, reason
)
VALUES (
    %(event_id)s, %(now)s, %(user_id)s, %(action)s, %(account_id)s, %(business_date)s, %(subject)s, %(reason)s
)

-- Name:        console_events
-- Purpose:     what users did, newest first.
-- Parameters:  account_ids: null for all and for events without an account; business_date, actions, user_name,
--              from_time, to_time: null for any; most: null for all.
-- Grain:       event_id.   Locks: none.
SELECT
    console_events.happened_at,
    console_users.name AS user_name,
    console_events.action,
    console_events.account_id,
    console_events.business_date,
    console_events.subject,
    console_events.reason
FROM console_events
INNER JOIN console_users ON console_users.user_id = console_events.user_id
WHERE
    (%(account_ids)s::text [] IS NULL OR console_events.account_id = any(%(account_ids)s))
    AND (%(business_date)s::date IS NULL OR console_events.business_date = %(business_date)s)
    AND (%(actions)s::text [] IS NULL OR console_events.action = any(%(actions)s))
    AND (%(user_name)s::text IS NULL OR strpos(lower(console_users.name), lower(%(user_name)s)) > 0)
    AND (%(from_time)s::timestamptz IS NULL OR console_events.happened_at >= %(from_time)s)
    AND (%(to_time)s::timestamptz IS NULL OR console_events.happened_at < %(to_time)s)
ORDER BY console_events.happened_at DESC, console_events.event_id
LIMIT %(most)s
