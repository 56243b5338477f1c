-- Name:        account_scope
-- Purpose:     an account and all accounts below it.
-- Parameters:  account_id.   Grain: one row; null without the account.   Locks: none.
WITH RECURSIVE below AS (
    SELECT
        account_id,
        0 AS depth
    FROM accounts
    WHERE account_id = %(account_id)s
    UNION
    SELECT
        accounts.account_id,
        below.depth + 1
    FROM below
    INNER JOIN accounts ON accounts.parent_id = below.account_id
    WHERE below.depth < 64
)

SELECT array_agg(DISTINCT below.account_id) AS account_ids
FROM below

-- Name:        accounts
-- Purpose:     all accounts, or some of them, with their earlier time zones.
-- Parameters:  account_ids (array): null for all.   Grain: account_id.   Locks: none.
SELECT
    accounts.account_id,
    accounts.name,
    accounts.parent_id,
    accounts.time_zone,
    accounts.country_code,
    accounts.dialect,
    accounts.dialect_seen_at,
    accounts.active,
    accounts.realm,
    coalesce(before.zones, ARRAY[]::text []) AS zones,
    coalesce(before.dates, ARRAY[]::date []) AS dates
FROM accounts
LEFT JOIN (
    SELECT
        account_id,
        array_agg(time_zone ORDER BY until) AS zones,
        array_agg(until ORDER BY until) AS dates
    FROM account_zones
    GROUP BY account_id
) AS before
    ON before.account_id = accounts.account_id
WHERE %(account_ids)s::text [] IS NULL OR accounts.account_id = any(%(account_ids)s)
ORDER BY accounts.account_id

-- Name:        add_account
-- Purpose:     add an account; do nothing if an account of that id exists.
-- Parameters:  as named.   Grain: account_id.   Locks: the row.   Idempotent: yes.
INSERT INTO accounts (account_id, name, parent_id, time_zone, country_code, active, realm, added_at)
VALUES (
    %(account_id)s, %(name)s, %(parent_id)s, %(time_zone)s, %(country_code)s, %(active)s, %(realm)s, %(now)s
)
ON CONFLICT (account_id) DO NOTHING

-- Name:        add_earlier_zone
-- Purpose:     record the time zone that applied to an account before a date.
-- Parameters:  account_id, until, time_zone, now.   Grain: account_id, until.   Locks: the row.   Idempotent: yes.
INSERT INTO account_zones (account_id, until, time_zone, changed_at)
VALUES (%(account_id)s, %(until)s, %(time_zone)s, %(now)s)
ON CONFLICT (account_id, until) DO NOTHING

-- Name:        admit_reader
-- Purpose:     create the reading role if this user may, and grant it every isolated table.
-- Parameters:  none.   Grain: one row: whether the role is ready.   Locks: the tables' catalogue rows.   Idempotent: yes.
SELECT cdr_admit_reader() AS admitted

-- Name:        authorize
-- Purpose:     the token of a request, and the requested account if it is in the token's subtree.
-- Parameters:  digest; account_id: null when the request names none.
-- Grain:       at most one row; target_id is null outside the subtree.   Locks: none.
WITH RECURSIVE token AS (
    SELECT
        account_id,
        token_id,
        parent_token_id,
        digest,
        scope,
        label,
        created_at,
        expires_at,
        revoked_at
    FROM api_tokens
    WHERE digest = %(digest)s
),

above AS (
    SELECT
        accounts.account_id,
        accounts.parent_id,
        1 AS depth
    FROM accounts
    WHERE accounts.account_id = %(account_id)s
    UNION ALL
    SELECT
        accounts.account_id,
        accounts.parent_id,
        above.depth + 1 AS depth
    FROM above
    INNER JOIN accounts ON above.parent_id = accounts.account_id
    WHERE above.depth < 64
)

SELECT
    token.account_id,
    token.token_id,
    token.digest,
    token.scope,
    token.label,
    token.created_at,
    token.expires_at,
    coalesce(
        token.revoked_at,
        (
            SELECT parent.revoked_at
            FROM api_tokens AS parent
            WHERE parent.account_id = token.account_id AND parent.token_id = token.parent_token_id
        )
    ) AS revoked_at,
    target.account_id AS target_id,
    target.name AS target_name,
    target.parent_id AS target_parent_id,
    target.time_zone AS target_time_zone,
    target.country_code AS target_country_code,
    target.realm AS target_realm
FROM token
LEFT JOIN accounts AS target
    ON
        target.account_id = %(account_id)s
        AND token.account_id IN (SELECT above.account_id FROM above)

-- Name:        change_account
-- Purpose:     change an account's name, parent, time zone, country code and whether it is collected.
-- Parameters:  as named.   Grain: account_id.   Locks: the row.   Idempotent: yes.
UPDATE accounts SET
    name = %(name)s,
    parent_id = %(parent_id)s,
    time_zone = %(time_zone)s,
    country_code = %(country_code)s,
    active = %(active)s
WHERE account_id = %(account_id)s

-- Name:        ancestors
-- Purpose:     accounts above an account, from the top.
-- Parameters:  account_id; top: the highest account to list; nothing above it is read.
-- Grain:       account_id.   Locks: none.
WITH RECURSIVE above AS (
    SELECT
        account_id,
        parent_id,
        name,
        0 AS height
    FROM accounts
    WHERE account_id = %(account_id)s
    UNION ALL
    SELECT
        accounts.account_id,
        accounts.parent_id,
        accounts.name,
        above.height + 1 AS height
    FROM above
    INNER JOIN accounts ON above.parent_id = accounts.account_id
    WHERE above.account_id <> %(top)s AND above.height < 64
)

SELECT
    account_id,
    name
FROM above
WHERE height > 0
ORDER BY height DESC

-- Name:        sharing_limits
-- Purpose:     an account and those above it, whose limits its requests use. The only root of all accounts is the
--              operator's own: a limit of it would let one account hold up all others.
-- Parameters:  account_id.   Grain: account_id.   Locks: none.
WITH RECURSIVE above AS (
    SELECT
        account_id,
        parent_id,
        0 AS height
    FROM accounts
    WHERE account_id = %(account_id)s
    UNION ALL
    SELECT
        accounts.account_id,
        accounts.parent_id,
        above.height + 1 AS height
    FROM above
    INNER JOIN accounts ON above.parent_id = accounts.account_id
    WHERE above.height < 64
)

SELECT above.account_id
FROM above
WHERE
    above.parent_id IS NOT NULL
    OR (SELECT count(*) FROM accounts WHERE accounts.parent_id IS NULL) > 1

-- Name:        children
-- Purpose:     accounts below an account, by id.
-- Parameters:  account_id; deep: all of them instead of the next level only; after: id of the last one seen; row_limit.
-- Grain:       account_id.   Locks: none.
WITH RECURSIVE below AS (
    SELECT
        accounts.*,
        ARRAY[accounts.parent_id] AS tree
    FROM accounts
    WHERE accounts.parent_id = %(account_id)s
    UNION ALL
    SELECT
        accounts.*,
        below.tree || accounts.parent_id AS tree
    FROM below
    INNER JOIN accounts ON below.account_id = accounts.parent_id
    WHERE %(deep)s AND cardinality(below.tree) < 64
)

SELECT
    account_id,
    name,
    parent_id,
    time_zone,
    realm,
    tree
FROM below
WHERE account_id > %(after)s
ORDER BY account_id
LIMIT %(row_limit)s

-- Name:        deactivate_account
-- Purpose:     stop the collection of an account.
-- Parameters:  account_id.   Grain: account_id.   Locks: the row.   Idempotent: yes.
UPDATE accounts SET active = FALSE
WHERE account_id = %(account_id)s

-- Name:        named_accounts
-- Purpose:     accounts of a name, compared by its letters and digits, or of a realm.
-- Parameters:  name, realm: null for none.   Grain: account_id.   Locks: none.
SELECT account_id
FROM accounts
WHERE
    (
        lower(name) = lower(%(name)s::text)
        OR nullif(regexp_replace(lower(name), '[^a-z0-9]', '', 'g'), '')
        = regexp_replace(lower(%(name)s::text), '[^a-z0-9]', '', 'g')
    )
    OR (realm <> '' AND lower(realm) = lower(%(realm)s::text))
ORDER BY account_id

-- Name:        reader_state
-- Purpose:     whether the reading role exists, is safe to use, and may be used by this user. Not part of account_scope,
--              because a cluster lets an ordinary user join no catalogue of roles with tables.
-- Parameters:  none.   Grain: one row.   Locks: none.
SELECT
    EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'cdr_reader') AS reader_exists,
    EXISTS (
        SELECT 1
        FROM pg_roles AS reader
        WHERE
            reader.rolname = 'cdr_reader'
            AND (
                reader.rolsuper
                OR reader.rolbypassrls
                OR EXISTS (SELECT 1 FROM pg_class WHERE pg_class.relowner = reader.oid)
            )
    ) AS reader_sees_all,
    EXISTS (
        SELECT 1
        FROM pg_roles
        WHERE rolname = 'cdr_reader' AND pg_has_role(current_user, oid, 'MEMBER')
    ) AS may_become_reader

-- Name:        set_name_and_parent
-- Purpose:     change an account's name, parent and realm, which the switch decides.
-- Parameters:  as named.   Grain: account_id.   Locks: the row.   Idempotent: yes.
UPDATE accounts SET
    name = %(name)s,
    parent_id = %(parent_id)s,
    realm = %(realm)s
WHERE account_id = %(account_id)s
