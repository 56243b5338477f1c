"""Reconciled calls: agreed rate, expected amount, and what explains a difference."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns; calls of earlier versions have none of these values."""
    op.execute(
        "ALTER TABLE reconciled_calls ADD COLUMN agreed_rate numeric(18,8), ADD COLUMN expected_amount numeric(24,8),"
        " ADD COLUMN detail text"
    )


def downgrade() -> None:
    """Drops the columns."""
    op.execute(
        "ALTER TABLE reconciled_calls DROP COLUMN agreed_rate, DROP COLUMN expected_amount, DROP COLUMN detail"
    )
