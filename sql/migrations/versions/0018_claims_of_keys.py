"""The claim on an Idempotency-Key: its id, and the session that holds it.

A request stores its response only under its own claim, and a claim ends with the session of its request.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds three columns; keys of requests that run during the upgrade have no claim and can be claimed."""
    op.execute("ALTER TABLE api_answers ADD COLUMN claim_id text")
    op.execute("ALTER TABLE api_answers ADD COLUMN holder_pid integer")
    op.execute("ALTER TABLE api_answers ADD COLUMN holder_started timestamptz")


def downgrade() -> None:
    """Drops them."""
    for column in ("claim_id", "holder_pid", "holder_started"):
        op.execute(f"ALTER TABLE api_answers DROP COLUMN {column}")
