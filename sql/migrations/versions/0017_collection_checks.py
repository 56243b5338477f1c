"""What repeated reading needs: the hash of a window's rows, when an account's dialect was last seen, and an index.

A window that is read again and has the same rows is neither landed nor loaded.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds two columns and an index of the few windows that are not loaded."""
    op.execute("ALTER TABLE windows ADD COLUMN content_sha256 text")
    op.execute("ALTER TABLE accounts ADD COLUMN dialect_seen_at timestamptz")
    op.execute("CREATE INDEX windows_waiting ON windows (account_id, business_date) WHERE state <> 'loaded'")


def downgrade() -> None:
    """Drops them."""
    op.execute("DROP INDEX windows_waiting")
    op.execute("ALTER TABLE accounts DROP COLUMN dialect_seen_at")
    op.execute("ALTER TABLE windows DROP COLUMN content_sha256")
