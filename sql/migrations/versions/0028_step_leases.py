"""Leases of running steps, by which a step whose machine has died is found."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table. It stays on the coordinator of a cluster, whose clock decides."""
    op.execute(
        """
        CREATE TABLE step_leases (
            run_id      text NOT NULL,
            step        text NOT NULL,
            process     text NOT NULL,
            started_at  timestamptz NOT NULL,
            renewed_at  timestamptz NOT NULL,
            PRIMARY KEY (run_id, step)
        )
        """
    )


def downgrade() -> None:
    """Drops it."""
    op.execute("DROP TABLE step_leases")
