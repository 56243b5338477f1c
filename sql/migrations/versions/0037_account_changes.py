"""What happened to the days of an account, in order, for programs that follow it."""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates an empty table; what happened before is not in it."""
    op.execute(
        """
        CREATE TABLE account_changes (
            account_id text NOT NULL,
            change_no bigint NOT NULL,
            kind text NOT NULL CHECK (kind IN ('records', 'sealed', 'restated', 'reconciled', 'decided')),
            business_date date,
            details jsonb NOT NULL,
            happened_at timestamptz NOT NULL,
            PRIMARY KEY (account_id, change_no)
        )
        """
    )


def downgrade() -> None:
    """Drops the table."""
    op.execute("DROP TABLE account_changes")
