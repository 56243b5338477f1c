"""Logins of users over the API as clients of a switch send them, and the realm of an account."""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns; a user's login over the API works after the next sign-in with the password."""
    op.execute("ALTER TABLE accounts ADD COLUMN realm text NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE console_users ADD COLUMN api_credentials text[] NOT NULL DEFAULT '{}'")
    op.execute("ALTER TABLE api_tokens ADD COLUMN user_id text")


def downgrade() -> None:
    """Drops them; the next synchronisation fills realms again."""
    op.execute("ALTER TABLE api_tokens DROP COLUMN user_id")
    op.execute("ALTER TABLE console_users DROP COLUMN api_credentials")
    op.execute("ALTER TABLE accounts DROP COLUMN realm")
