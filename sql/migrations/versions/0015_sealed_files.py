"""What checks of sealed files found, and which data folder the warehouse belongs to."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    ALTER TABLE export_files
        ADD COLUMN hashed_at timestamptz,
        ADD COLUMN fault text,
        ADD COLUMN fault_since timestamptz,
        ADD COLUMN lost_at timestamptz
    """,
    "CREATE INDEX export_files_with_faults ON export_files (account_id) WHERE fault IS NOT NULL",
    # At most one row. The data folder holds the same id.
    """
    CREATE TABLE warehouse_identity (
        only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        warehouse_id  uuid NOT NULL,
        linked_at     timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    """Adds columns, index and table."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drops them."""
    op.execute("DROP TABLE warehouse_identity")
    op.execute("DROP INDEX export_files_with_faults")
    op.execute(
        "ALTER TABLE export_files DROP COLUMN lost_at, DROP COLUMN fault_since, DROP COLUMN fault, DROP COLUMN hashed_at"
    )
