"""Calls of the last day of removed months: an imported record of one that comes later belongs to the month."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table. Months that were removed before have left no trace of such calls."""
    op.execute(
        """
        CREATE TABLE removed_calls (
            account_id   text NOT NULL,
            call_digest  text NOT NULL,
            started_at   timestamptz NOT NULL,
            month        date NOT NULL,
            PRIMARY KEY (account_id, call_digest, started_at)
        )
        """
    )


def downgrade() -> None:
    """Drops it; the first imported record of such a call counts as a new leg again."""
    op.execute("DROP TABLE removed_calls")
