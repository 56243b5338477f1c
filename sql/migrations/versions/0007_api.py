"""Tokens of the API, answers kept for repeated requests, the key that signs cursors, and what its searches need."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TOKENS = """
    CREATE TABLE api_tokens (
        account_id       text NOT NULL,
        token_id         text NOT NULL,
        parent_token_id  text,
        digest           text NOT NULL,
        scope            text NOT NULL CHECK (scope IN ('read', 'upload', 'admin')),
        label            text NOT NULL,
        created_at       timestamptz NOT NULL,
        expires_at       timestamptz NOT NULL,
        revoked_at       timestamptz,
        PRIMARY KEY (account_id, token_id)
    )
"""
_ANSWERS = """
    CREATE TABLE api_answers (
        account_id   text NOT NULL,
        key_digest   text NOT NULL,
        fingerprint  text NOT NULL,
        state        text NOT NULL CHECK (state IN ('working', 'done')),
        status       integer,
        answer       jsonb,
        asked_at     timestamptz NOT NULL,
        PRIMARY KEY (account_id, key_digest)
    )
"""
_SECRETS = """
    CREATE TABLE api_secrets (
        account_id  text NOT NULL,
        name        text NOT NULL,
        secret      text NOT NULL,
        PRIMARY KEY (account_id, name)
    )
"""
# Text that is an address becomes one; anything else has none. Patterns instead of a trial cast, which costs a
# subtransaction a row and which PostgreSQL 15 cannot test beforehand.
_ADDRESS = r"""
    CREATE FUNCTION cdr_address(host text) RETURNS inet LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT CASE
            WHEN host ~ '^((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d)$' THEN host::inet
            WHEN host ~ '^([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}$' THEN host::inet
            WHEN
                host ~ '^([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4})*)?::([0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4})*)?$'
                AND length(host) - length(replace(host, ':', '')) <= 7
                THEN host::inet
        END
    $$
"""
# As the merged view has it, to the letter.
_SAVED = "CASE WHEN ended_at IS NULL THEN started_at ELSE ended_at END"


def upgrade() -> None:
    """Adds them."""
    op.execute(_TOKENS)
    op.execute("CREATE INDEX api_tokens_by_digest ON api_tokens (digest)")
    op.execute(_ANSWERS)
    op.execute(_SECRETS)
    op.execute(
        "INSERT INTO api_secrets VALUES"
        " ('', 'cursors', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''))"
    )
    op.execute(_ADDRESS)
    op.execute(f"CREATE INDEX cdr_by_save ON cdr (account_id, ({_SAVED}), record_id, origin)")
    op.execute("CREATE INDEX cdr_by_interaction ON cdr (account_id, interaction_id, started_at)")


def downgrade() -> None:
    """Takes them away; tokens are lost."""
    op.execute("DROP INDEX cdr_by_interaction")
    op.execute("DROP INDEX cdr_by_save")
    op.execute("DROP FUNCTION cdr_address")
    op.execute("DROP TABLE api_secrets")
    op.execute("DROP TABLE api_answers")
    op.execute("DROP TABLE api_tokens")
