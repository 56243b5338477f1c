"""Addresses that changes of accounts are sent to, and what could not be sent."""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates two empty tables."""
    op.execute(
        """
        CREATE TABLE webhooks (
            account_id text NOT NULL,
            webhook_id text PRIMARY KEY,
            url text NOT NULL,
            kinds text [] NOT NULL,
            label text NOT NULL,
            secret text NOT NULL,
            former_secret text,
            former_until timestamptz,
            created_at timestamptz NOT NULL,
            position bigint NOT NULL,
            attempts integer NOT NULL DEFAULT 0,
            buried integer NOT NULL DEFAULT 0,
            next_attempt_at timestamptz NOT NULL,
            claim text,
            claimed_until timestamptz,
            delivered_at timestamptz,
            error text,
            stopped_at timestamptz
        );
        CREATE INDEX webhooks_by_account ON webhooks (account_id);
        CREATE TABLE webhook_dead_letters (
            webhook_id text NOT NULL REFERENCES webhooks ON DELETE CASCADE,
            change_no bigint NOT NULL,
            body jsonb NOT NULL,
            attempts integer NOT NULL,
            error text NOT NULL,
            failed_at timestamptz NOT NULL,
            replay boolean NOT NULL DEFAULT FALSE,
            PRIMARY KEY (webhook_id, change_no)
        )
        """
    )


def downgrade() -> None:
    """Drops them."""
    op.execute("DROP TABLE webhook_dead_letters; DROP TABLE webhooks")
