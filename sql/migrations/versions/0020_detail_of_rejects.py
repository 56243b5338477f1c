"""What is wrong with a rejected value, without the value: its length and the limit of its field."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; earlier rejects have no detail."""
    op.execute("ALTER TABLE rejects ADD COLUMN detail text")


def downgrade() -> None:
    """Drops it."""
    op.execute("ALTER TABLE rejects DROP COLUMN detail")
