"""Records that retention removed with a leg of another month: delivered again, they are known as removed."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table. Months that were removed before have left no trace of such records."""
    op.execute(
        """
        CREATE TABLE removed_records (
            account_id     text NOT NULL,
            origin         text NOT NULL,
            record_id      text NOT NULL,
            business_date  date NOT NULL,
            month          date NOT NULL,
            PRIMARY KEY (account_id, origin, record_id, business_date)
        )
        """
    )


def downgrade() -> None:
    """Drops it; such records count as new legs again when they are delivered again."""
    op.execute("DROP TABLE removed_records")
