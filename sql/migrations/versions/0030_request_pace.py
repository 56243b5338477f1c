"""Times up to which requests to a switch are reserved, so that all workers share its limits."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table. It stays on the coordinator of a cluster, whose clock decides."""
    op.execute(
        """
        CREATE TABLE request_pace (
            place        text PRIMARY KEY,
            reserved_to  timestamptz NOT NULL
        )
        """
    )


def downgrade() -> None:
    """Drops it."""
    op.execute("DROP TABLE request_pace")
