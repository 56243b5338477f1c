"""The outbox of alerts: what is wrong now, what is to be told about it, and which channel has accepted it.

On a cluster these tables stay on the coordinator: they concern the installation, not an account.
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds three empty tables."""
    op.execute(
        """
        CREATE TABLE alert_topics (
            topic         text PRIMARY KEY,
            cause         text NOT NULL,
            line          text NOT NULL,
            watched_until timestamptz,
            opened_at     timestamptz NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE alerts (
            alert_id  text PRIMARY KEY,
            kind      text NOT NULL,
            subject   text NOT NULL,
            lines     text[] NOT NULL,
            command   text NOT NULL,
            facts     jsonb NOT NULL,
            raised_at timestamptz NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE alert_deliveries (
            alert_id      text NOT NULL REFERENCES alerts ON DELETE CASCADE,
            channel       text NOT NULL,
            raised_at     timestamptz NOT NULL,
            state         text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'withdrawn')),
            attempts      integer NOT NULL DEFAULT 0,
            next_try_at   timestamptz NOT NULL,
            claimed_until timestamptz,
            sent_at       timestamptz,
            error         text,
            PRIMARY KEY (alert_id, channel)
        )
        """
    )
    op.execute("CREATE INDEX alert_deliveries_waiting ON alert_deliveries (channel, next_try_at) WHERE state = 'waiting'")


def downgrade() -> None:
    """Drops them."""
    for table in ("alert_deliveries", "alerts", "alert_topics"):
        op.execute(f"DROP TABLE {table}")
