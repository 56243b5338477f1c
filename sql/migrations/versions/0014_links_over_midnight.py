"""An index of the links whose records are on two days: few, and looked for by every load that changes records."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds it."""
    op.execute(
        "CREATE INDEX cdr_links_over_midnight ON cdr_links (account_id) WHERE imported_business_date <> api_business_date"
    )


def downgrade() -> None:
    """Drops it."""
    op.execute("DROP INDEX cdr_links_over_midnight")
