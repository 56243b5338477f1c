"""Rejected rows that a person dismissed: no calls, or calls that cannot be corrected."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the state and the decision."""
    op.execute(
        """
        ALTER TABLE rejects
            ADD COLUMN decided_by text,
            ADD COLUMN decision_reason text,
            ADD COLUMN decided_at timestamptz,
            DROP CONSTRAINT rejects_state_check,
            ADD CONSTRAINT rejects_state_check CHECK (state IN ('open', 'corrected', 'dismissed'))
        """
    )


def downgrade() -> None:
    """Drops them; dismissed rows are open again."""
    op.execute("UPDATE rejects SET state = 'open' WHERE state = 'dismissed'")
    op.execute(
        """
        ALTER TABLE rejects
            DROP COLUMN decided_by,
            DROP COLUMN decision_reason,
            DROP COLUMN decided_at,
            DROP CONSTRAINT rejects_state_check,
            ADD CONSTRAINT rejects_state_check CHECK (state IN ('open', 'corrected'))
        """
    )
