"""Leases on what is being collected, and whether a day's volume is usual."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table of leases and two columns of days."""
    op.execute(
        """
        CREATE TABLE collections (
            account_id      text NOT NULL,
            business_date   date NOT NULL,
            fence           bigint NOT NULL,
            holder_pid      integer,
            holder_started  timestamptz,
            leased_until    timestamptz NOT NULL,
            PRIMARY KEY (account_id, business_date)
        )
        """
    )
    op.execute("ALTER TABLE days ADD COLUMN volume text, ADD COLUMN usual_rows bigint")
    op.execute("ALTER TABLE days ADD CHECK (volume IN ('usual', 'thin', 'empty', 'unknown'))")


def downgrade() -> None:
    """Takes them away."""
    op.execute("ALTER TABLE days DROP COLUMN volume, DROP COLUMN usual_rows")
    op.execute("DROP TABLE collections")
