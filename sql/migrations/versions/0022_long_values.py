"""Looks once for texts that were stored before their fields had limits, and stores how many there are."""

from alembic import op

from cdr_pipeline.warehouse.records.long_values import record_long_values

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table and fills it in one pass over the records."""
    op.execute(
        """
        CREATE TABLE long_values (
            account_id  text NOT NULL,
            field       text NOT NULL,
            most_bytes  integer NOT NULL,
            records     bigint NOT NULL,
            longest     integer NOT NULL,
            PRIMARY KEY (account_id, field)
        )
        """
    )
    record_long_values(op.get_bind())


def downgrade() -> None:
    """Drops it."""
    op.execute("DROP TABLE long_values")
