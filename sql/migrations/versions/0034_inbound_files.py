"""Places where carriers put files, and the files that were seen and fetched there."""

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables. They stay on the coordinator of a cluster: a file is seen before its account is known."""
    op.execute(
        """
        CREATE TABLE inbound_places (
            place            text PRIMARY KEY,
            first_looked_at  timestamptz NOT NULL,
            looked_at        timestamptz NOT NULL,
            reached_at       timestamptz,
            failed_since     timestamptz,
            error_code       text,
            error_message    text
        )
        """
    )
    op.execute(
        """
        CREATE TABLE inbound_files (
            place          text NOT NULL,
            path           text NOT NULL,
            stamp          text NOT NULL,
            bytes          bigint,
            modified_at    timestamptz,
            state          text NOT NULL CHECK (state IN ('seen', 'fetched', 'refused')),
            first_seen_at  timestamptz NOT NULL,
            seen_at        timestamptz NOT NULL,
            attempts       integer NOT NULL DEFAULT 0,
            fetched_at     timestamptz,
            account_ids    text[] NOT NULL DEFAULT '{}',
            upload_ids     text[] NOT NULL DEFAULT '{}',
            profile        text,
            file_date      date,
            sha256         text,
            cleared        text CHECK (cleared IN ('moved', 'deleted')),
            cleared_at     timestamptz,
            error_code     text,
            error_message  text,
            PRIMARY KEY (place, path, stamp)
        )
        """
    )


def downgrade() -> None:
    """Drops them."""
    op.execute("DROP TABLE inbound_files")
    op.execute("DROP TABLE inbound_places")
