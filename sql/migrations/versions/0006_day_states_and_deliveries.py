"""Versions and seals of days, their audit, deliveries."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    ALTER TABLE days
        ADD COLUMN version integer NOT NULL DEFAULT 1,
        ADD COLUMN sealed_at timestamptz,
        ADD COLUMN published_at timestamptz
    """,
    # The manifest's text is kept for files of sealed days: what was announced can be announced again, to the byte.
    """
    ALTER TABLE export_files
        ADD COLUMN content_sha256 text,
        ADD COLUMN manifest text
    """,
    # Nothing updates or deletes an event.
    """
    CREATE TABLE day_events (
        account_id     text NOT NULL,
        business_date  date NOT NULL,
        event_id       uuid NOT NULL,
        event          text NOT NULL CHECK (event IN ('sealed', 'restated')),
        version        integer NOT NULL,
        actor          text NOT NULL,
        reason         text NOT NULL,
        overridden     text[] NOT NULL,
        before_sha256  text,
        after_sha256   text NOT NULL,
        happened_at    timestamptz NOT NULL,
        run_id         text,
        PRIMARY KEY (account_id, business_date, event_id)
    )
    """,
    """
    CREATE TABLE deliveries (
        account_id     text NOT NULL,
        target         text NOT NULL,
        path           text NOT NULL,
        business_date  date NOT NULL,
        version        integer NOT NULL,
        sha256         text NOT NULL,
        bytes          bigint NOT NULL,
        state          text NOT NULL CHECK (state IN ('pending', 'delivered', 'refused')),
        attempts       integer NOT NULL,
        due_at         timestamptz NOT NULL,
        attempted_at   timestamptz,
        delivered_at   timestamptz,
        receipt        text,
        error_code     text,
        error_message  text,
        PRIMARY KEY (account_id, target, path)
    )
    """,
)


def upgrade() -> None:
    """Adds columns and tables."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Takes them away; sealed days stay marked so."""
    for table in ("deliveries", "day_events"):
        op.execute(f"DROP TABLE {table}")
    op.execute("ALTER TABLE export_files DROP COLUMN manifest, DROP COLUMN content_sha256")
    op.execute("ALTER TABLE days DROP COLUMN published_at, DROP COLUMN sealed_at, DROP COLUMN version")
