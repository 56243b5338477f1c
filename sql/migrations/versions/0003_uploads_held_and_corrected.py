"""Uploads that wait for a person, that correct others, that belong to a series; rejects that were corrected."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Widens the states and adds the columns."""
    op.execute("ALTER TABLE uploads DROP CONSTRAINT uploads_state_check")
    op.execute(
        """
        ALTER TABLE uploads
            ADD COLUMN corrects text,
            ADD COLUMN file_date date,
            ADD COLUMN file_sequence bigint,
            ADD COLUMN overlap_rows bigint,
            ADD COLUMN decided_by text,
            ADD COLUMN decided_at timestamptz,
            ADD CONSTRAINT uploads_state_check
            CHECK (state IN ('landed', 'held', 'loaded', 'refused', 'discarded'))
        """
    )
    op.execute(
        """
        ALTER TABLE rejects
            ADD COLUMN corrected_by text,
            ADD COLUMN state text NOT NULL DEFAULT 'open'
            CHECK (state IN ('open', 'corrected'))
        """
    )


def downgrade() -> None:
    """Takes them away; uploads that wait or were discarded become refused."""
    op.execute("ALTER TABLE rejects DROP COLUMN corrected_by, DROP COLUMN state")
    op.execute("UPDATE uploads SET state = 'refused' WHERE state IN ('held', 'discarded')")
    op.execute(
        """
        ALTER TABLE uploads
            DROP CONSTRAINT uploads_state_check,
            DROP COLUMN corrects,
            DROP COLUMN file_date,
            DROP COLUMN file_sequence,
            DROP COLUMN overlap_rows,
            DROP COLUMN decided_by,
            DROP COLUMN decided_at,
            ADD CONSTRAINT uploads_state_check CHECK (state IN ('landed', 'loaded', 'refused'))
        """
    )
