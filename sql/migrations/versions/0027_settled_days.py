"""Decisions that settle a day: which one is the newest, rules, credit notes, notes, and the currency of a break."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "ALTER TABLE reconciliations ADD COLUMN unverified boolean NOT NULL DEFAULT false",
    """
    UPDATE reconciliations SET unverified = true
    WHERE
        EXISTS (
            SELECT 1 FROM unnest(findings) AS finding
            WHERE finding LIKE '% charged and not verified: no rate card%'
        )
    """,
    "ALTER TABLE reconciled_calls ADD COLUMN currency text",
    """
    UPDATE reconciled_calls AS called SET currency = upper(record.cost_currency)
    FROM cdr AS record
    WHERE
        record.account_id = called.account_id
        AND record.origin = 'imported'
        AND record.record_id = called.carrier_record_id
        AND record.business_date = called.carrier_date
        AND called.is_break
        AND called.until_version IS NULL
    """,
    """
    ALTER TABLE break_decisions
    ADD COLUMN rule_id text,
    ADD COLUMN credit_note text,
    ADD COLUMN is_newest boolean NOT NULL DEFAULT true
    """,
    # A cluster accepts a constraint only in a command of its own.
    "ALTER TABLE break_decisions DROP CONSTRAINT break_decisions_decision_check",
    """
    ALTER TABLE break_decisions
    ADD CONSTRAINT break_decisions_decision_check CHECK (decision IN ('accepted', 'disputed', 'credited', 'open'))
    """,
    """
    UPDATE break_decisions AS decided SET is_newest = false
    FROM break_decisions AS later
    WHERE
        later.account_id = decided.account_id
        AND later.outcome_id = decided.outcome_id
        AND later.decision_no > decided.decision_no
    """,
    "CREATE UNIQUE INDEX break_decisions_newest ON break_decisions (account_id, outcome_id) WHERE is_newest",
    """
    CREATE TABLE decision_rules (
        account_id     text NOT NULL,
        rule_id        text NOT NULL,
        carrier        text,
        classes        text[] NOT NULL,
        causes         text[] NOT NULL,
        destination    text,
        below          numeric(24,8),
        at_least       numeric(24,8),
        currency       text,
        decision       text NOT NULL CHECK (decision IN ('accepted', 'disputed')),
        reason         text NOT NULL CHECK (reason <> ''),
        created_by     text NOT NULL CHECK (created_by <> ''),
        created_at     timestamptz NOT NULL,
        ended_by       text,
        end_reason     text,
        ended_at       timestamptz,
        PRIMARY KEY (account_id, rule_id)
    )
    """,
    """
    CREATE TABLE break_notes (
        account_id   text NOT NULL,
        outcome_id   text NOT NULL,
        note_no      integer NOT NULL,
        note         text,
        assignee     text,
        noted_by     text NOT NULL CHECK (noted_by <> ''),
        noted_at     timestamptz NOT NULL,
        PRIMARY KEY (account_id, outcome_id, note_no),
        CHECK (note IS NOT NULL OR assignee IS NOT NULL)
    )
    """,
    """
    CREATE TABLE credit_notes (
        account_id    text NOT NULL,
        carrier       text NOT NULL,
        credit_note   text NOT NULL,
        amount        numeric(24,8) NOT NULL CHECK (amount > 0),
        currency      text NOT NULL,
        used          numeric(24,8) NOT NULL,
        recorded_by   text NOT NULL CHECK (recorded_by <> ''),
        recorded_at   timestamptz NOT NULL,
        PRIMARY KEY (account_id, carrier, credit_note)
    )
    """,
)


def upgrade() -> None:
    """Creates the tables and columns; of the decisions about a break, the last one is the newest."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drops them; a break that was opened again has no decision any more."""
    for table in ("credit_notes", "break_notes", "decision_rules"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP INDEX break_decisions_newest")
    op.execute("DELETE FROM break_decisions WHERE decision = 'open'")
    op.execute(
        "ALTER TABLE break_decisions DROP COLUMN rule_id, DROP COLUMN credit_note, DROP COLUMN is_newest,"
        " DROP CONSTRAINT break_decisions_decision_check, ADD CONSTRAINT break_decisions_decision_check"
        " CHECK (decision IN ('accepted', 'disputed', 'credited'))"
    )
    op.execute("ALTER TABLE reconciled_calls DROP COLUMN currency")
    op.execute("ALTER TABLE reconciliations DROP COLUMN unverified")
