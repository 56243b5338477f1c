"""Accounts and results of the shards of a night."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table. It stays on the coordinator of a cluster."""
    op.execute(
        """
        CREATE TABLE night_shards (
            run_id       text NOT NULL,
            step         text NOT NULL,
            shard        integer NOT NULL,
            account_ids  text[] NOT NULL,
            result       text,
            created_at   timestamptz NOT NULL,
            PRIMARY KEY (run_id, step, shard)
        )
        """
    )
    op.execute("CREATE INDEX night_shards_by_age ON night_shards (created_at)")


def downgrade() -> None:
    """Drops it."""
    op.execute("DROP TABLE night_shards")
