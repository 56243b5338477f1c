"""The person of an identity provider to whom a user of the console is bound."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns; users are bound at their first sign-in with the provider."""
    op.execute("ALTER TABLE console_users ADD COLUMN identity_issuer text, ADD COLUMN identity_subject text")
    op.execute(
        "CREATE UNIQUE INDEX console_users_by_identity ON console_users (identity_issuer, identity_subject)"
        " WHERE identity_subject IS NOT NULL"
    )


def downgrade() -> None:
    """Drops them; users sign in by password again."""
    op.execute("DROP INDEX console_users_by_identity")
    op.execute("ALTER TABLE console_users DROP COLUMN identity_subject, DROP COLUMN identity_issuer")
