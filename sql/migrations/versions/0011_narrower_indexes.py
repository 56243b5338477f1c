"""Indexes by interaction and by cause leave out records without one: most files of carriers know neither."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_NARROWED = {"cdr_by_interaction": "interaction_id", "cdr_by_cause": "hangup_cause"}


def upgrade() -> None:
    """Builds them anew; an equality, which is all that they are asked, is never true of nothing."""
    for name, column in _NARROWED.items():
        op.execute(f"DROP INDEX {name}")
        op.execute(f"CREATE INDEX {name} ON cdr (account_id, {column}, started_at) WHERE {column} IS NOT NULL")


def downgrade() -> None:
    """Puts the records without one back into them."""
    for name, column in _NARROWED.items():
        op.execute(f"DROP INDEX {name}")
        op.execute(f"CREATE INDEX {name} ON cdr (account_id, {column}, started_at)")
