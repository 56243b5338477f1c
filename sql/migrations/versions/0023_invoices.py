"""Invoices of carriers: every version with its lines."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE invoices (
        account_id    text NOT NULL,
        carrier       text NOT NULL,
        number        text NOT NULL,
        version       integer NOT NULL,
        first_date    date NOT NULL,
        last_date     date NOT NULL,
        time_zone     text NOT NULL,
        issued_on     date,
        content_hash  text NOT NULL,
        file_name     text NOT NULL,
        reason        text NOT NULL CHECK (version = 1 OR reason <> ''),
        entered_by    text NOT NULL CHECK (entered_by <> ''),
        entered_at    timestamptz NOT NULL,
        PRIMARY KEY (account_id, carrier, number, version),
        CHECK (first_date <= last_date)
    )
    """,
    """
    CREATE TABLE invoice_lines (
        account_id   text NOT NULL,
        carrier      text NOT NULL,
        number       text NOT NULL,
        version      integer NOT NULL,
        line_no      bigint NOT NULL,
        kind         text NOT NULL CHECK (kind IN ('usage', 'credit', 'fee', 'tax')),
        destination  text NOT NULL,
        rate         numeric(18,8),
        day          date,
        direction    text NOT NULL,
        calls        bigint,
        minutes      numeric(24,8),
        amount       numeric(24,8) NOT NULL,
        currency     text NOT NULL,
        PRIMARY KEY (account_id, carrier, number, version, line_no)
    )
    """,
)


def upgrade() -> None:
    """Creates the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drops them."""
    for table in ("invoice_lines", "invoices"):
        op.execute(f"DROP TABLE {table}")
