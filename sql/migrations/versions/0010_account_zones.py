"""Zones in which accounts were before: a day that has been keeps the zone it had."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the table; accounts have been in one zone until now."""
    op.execute(
        """
        CREATE TABLE account_zones (
            account_id  text NOT NULL,
            until       date NOT NULL,
            time_zone   text NOT NULL,
            changed_at  timestamptz NOT NULL,
            PRIMARY KEY (account_id, until)
        )
        """
    )


def downgrade() -> None:
    """Takes it away; all days are then taken to lie in the account's present zone."""
    op.execute("DROP TABLE account_zones")
