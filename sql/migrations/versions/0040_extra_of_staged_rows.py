"""Staged rows have the column ``extra`` of a record in place of the texts from which it is made."""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Changes the empty stage."""
    op.execute("ALTER TABLE cdr_stage ADD COLUMN extra jsonb")
    op.execute("ALTER TABLE cdr_stage DROP COLUMN extra_source, DROP COLUMN detail_source")


def downgrade() -> None:
    """Changes it back."""
    op.execute("ALTER TABLE cdr_stage ADD COLUMN extra_source text, ADD COLUMN detail_source text")
    op.execute("ALTER TABLE cdr_stage DROP COLUMN extra")
