"""Extracts: files of records that accounts requested, from the request to the deletion of the file."""

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates an empty table. It stays on the coordinator of a cluster: servers look for work of all accounts."""
    op.execute(
        """
        CREATE TABLE extracts (
            account_id text NOT NULL,
            extract_id text PRIMARY KEY,
            owner_id text NOT NULL,
            token_id text NOT NULL,
            request jsonb NOT NULL,
            form text NOT NULL,
            compression text NOT NULL,
            first_moment timestamptz,
            last_moment timestamptz,
            state text NOT NULL CHECK (
                state IN ('waiting', 'running', 'ready', 'failed', 'expired', 'withdrawn', 'deleted')
            ),
            created_at timestamptz NOT NULL,
            attempts integer NOT NULL DEFAULT 0,
            next_attempt_at timestamptz NOT NULL,
            claim text,
            claimed_until timestamptz,
            row_count bigint NOT NULL DEFAULT 0,
            byte_count bigint NOT NULL DEFAULT 0,
            slices integer NOT NULL DEFAULT 0,
            slices_done integer NOT NULL DEFAULT 0,
            file_id text,
            sha256 text,
            error jsonb,
            ended_at timestamptz,
            expires_at timestamptz,
            is_cleared boolean NOT NULL DEFAULT FALSE
        );
        CREATE INDEX extracts_by_account ON extracts (account_id);
        CREATE INDEX extracts_by_owner ON extracts (owner_id);
        CREATE INDEX extracts_at_work ON extracts (created_at) WHERE state IN ('waiting', 'running')
        """
    )


def downgrade() -> None:
    """Drops it. Files that were made stay in the data folder."""
    op.execute("DROP TABLE extracts")
