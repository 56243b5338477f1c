"""Indexes of what is left to do, so that looking for it does not take longer with every night in the ledger."""

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Days that are open, late or not published; deliveries that are due or refused; announced files by path."""
    op.execute(
        "CREATE INDEX days_unfinished ON days (account_id, business_date)"
        " WHERE state = 'open' OR exported_changes < changes OR published_at IS NULL"
    )
    op.execute("CREATE INDEX deliveries_unfinished ON deliveries (account_id) WHERE state <> 'delivered'")
    # All that the search for files which are not queued yet looks at, without their manifests.
    op.execute(
        "CREATE INDEX export_files_announced ON export_files (account_id, path)"
        " INCLUDE (business_date, version, dialect) WHERE manifest IS NOT NULL"
    )


def downgrade() -> None:
    """Drops the indexes."""
    op.execute("DROP INDEX days_unfinished, deliveries_unfinished, export_files_announced")
