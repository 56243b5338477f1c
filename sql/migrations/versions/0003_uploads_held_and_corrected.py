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
    # The same bytes may come under many names: two days without calls are two empty files.
    op.execute(
        """
        CREATE TABLE upload_names (
            account_id     text NOT NULL,
            sha256         text NOT NULL,
            file_name      text NOT NULL,
            profile        text NOT NULL,
            file_date      date,
            file_sequence  bigint,
            received_at    timestamptz NOT NULL,
            PRIMARY KEY (account_id, sha256, file_name)
        )
        """
    )


def downgrade() -> None:
    """Takes them away; uploads that wait or were discarded become refused."""
    op.execute("DROP TABLE upload_names")
    op.execute("ALTER TABLE rejects DROP COLUMN corrected_by, DROP COLUMN state")
    op.execute("UPDATE uploads SET state = 'refused' WHERE state IN ('held', 'discarded')")
    op.execute(
        """
        ALTER TABLE uploads
            DROP CONSTRAINT uploads_state_check,
            DROP COLUMN corrects,
            DROP COLUMN overlap_rows,
            DROP COLUMN decided_by,
            DROP COLUMN decided_at,
            ADD CONSTRAINT uploads_state_check CHECK (state IN ('landed', 'loaded', 'refused'))
        """
    )
