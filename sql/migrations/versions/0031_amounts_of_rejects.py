"""Amount, currency and carrier of rejected lines, where they can be read."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns; earlier rejects have no amount."""
    op.execute("ALTER TABLE rejects ADD COLUMN amount numeric, ADD COLUMN currency text, ADD COLUMN carrier text")


def downgrade() -> None:
    """Drops them."""
    op.execute("ALTER TABLE rejects DROP COLUMN carrier, DROP COLUMN currency, DROP COLUMN amount")
