-- Purpose:     an account and those below it, and whether the reading role is safe to become.
-- Parameters:  account_id.   Grain: one row.   Locks: none.
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

SELECT
    (SELECT array_agg(DISTINCT account_id) FROM below) AS account_ids,
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
