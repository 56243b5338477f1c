"""Users of the console, their one-time links and sessions, and the log of what they did."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_USERS = """
    CREATE TABLE console_users (
        user_id        text PRIMARY KEY,
        name           text NOT NULL,
        role           text NOT NULL CHECK (role IN ('viewer', 'finance', 'approver', 'operator')),
        account_id     text,
        password_hash  text,
        created_at     timestamptz NOT NULL,
        signed_in_at   timestamptz,
        disabled_at    timestamptz
    )
"""
_LINKS = """
    CREATE TABLE console_links (
        digest      text PRIMARY KEY,
        user_id     text NOT NULL REFERENCES console_users,
        purpose     text NOT NULL CHECK (purpose IN ('invitation', 'sign_in')),
        created_at  timestamptz NOT NULL,
        expires_at  timestamptz NOT NULL,
        used_at     timestamptz
    )
"""
_SESSIONS = """
    CREATE TABLE console_sessions (
        digest        text PRIMARY KEY,
        user_id       text NOT NULL REFERENCES console_users,
        created_at    timestamptz NOT NULL,
        last_used_at  timestamptz NOT NULL,
        expires_at    timestamptz NOT NULL,
        ended_at      timestamptz
    )
"""
_EVENTS = """
    CREATE TABLE console_events (
        event_id       uuid PRIMARY KEY,
        happened_at    timestamptz NOT NULL,
        user_id        text NOT NULL REFERENCES console_users,
        action         text NOT NULL,
        account_id     text,
        business_date  date,
        subject        text NOT NULL,
        reason         text NOT NULL
    )
"""


def upgrade() -> None:
    """Adds the tables."""
    op.execute(_USERS)
    op.execute("CREATE UNIQUE INDEX console_users_by_name ON console_users (lower(name))")
    op.execute(_LINKS)
    op.execute(_SESSIONS)
    op.execute("CREATE INDEX console_sessions_by_user ON console_sessions (user_id)")
    op.execute(_EVENTS)
    op.execute("CREATE INDEX console_events_by_time ON console_events (happened_at DESC, event_id)")


def downgrade() -> None:
    """Drops the tables; users and the log of the console are lost."""
    for table in ("console_events", "console_sessions", "console_links", "console_users"):
        op.execute(f"DROP TABLE {table}")
