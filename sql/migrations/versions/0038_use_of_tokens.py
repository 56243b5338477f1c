"""When a token was used last, which tells whether it can be revoked."""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; it is null until the next use."""
    op.execute("ALTER TABLE api_tokens ADD COLUMN last_used_at timestamptz")


def downgrade() -> None:
    """Drops it."""
    op.execute("ALTER TABLE api_tokens DROP COLUMN last_used_at")
