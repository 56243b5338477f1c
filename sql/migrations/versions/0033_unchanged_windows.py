"""What the last load of a window was made of, so that a window that lands again unchanged is not read again."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns; windows loaded before are read once more."""
    op.execute(
        "ALTER TABLE windows ADD COLUMN loaded_sha256 text, ADD COLUMN loaded_rules text, ADD COLUMN loaded_batch_id uuid"
    )


def downgrade() -> None:
    """Drops them."""
    op.execute(
        "ALTER TABLE windows DROP COLUMN loaded_batch_id, DROP COLUMN loaded_rules, DROP COLUMN loaded_sha256"
    )
