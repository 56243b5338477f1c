"""Reconciliations: one run a version, what became of every call with the versions it held for, and what people decided.

A call's outcome is written once and holds from the version that found it until the one that does not any more, so a
rerun that changes little writes little, and every earlier version can still be shown.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE reconciliations (
        account_id       text NOT NULL,
        carrier          text NOT NULL,
        business_date    date NOT NULL,
        version          integer NOT NULL,
        status           text NOT NULL CHECK (status IN ('provisional', 'final')),
        light            text NOT NULL CHECK (light IN ('green', 'red')),
        findings         text[] NOT NULL,
        inputs_hash      text NOT NULL,
        rules_hash       text NOT NULL,
        code_version     text NOT NULL,
        profile          text,
        currency         text NOT NULL,
        switch_rows      bigint NOT NULL,
        switch_seconds   numeric(18,3) NOT NULL,
        switch_amount    numeric(24,8),
        carrier_rows     bigint NOT NULL,
        carrier_seconds  numeric(18,3) NOT NULL,
        carrier_amount   numeric(24,8),
        breaks           bigint NOT NULL,
        exposure         numeric(24,8) NOT NULL,
        offset_status    text NOT NULL,
        offset_ms        bigint NOT NULL,
        drift_ppm        double precision NOT NULL,
        spread_ms        bigint NOT NULL,
        offset_pairs     bigint NOT NULL,
        offset_finding   text NOT NULL,
        appeared         bigint NOT NULL,
        resolved         bigint NOT NULL,
        changed          bigint NOT NULL,
        totals           jsonb NOT NULL,
        seen_changes     bigint NOT NULL,
        run_id           text,
        reconciled_at    timestamptz NOT NULL,
        PRIMARY KEY (account_id, carrier, business_date, version)
    )
    """,
    "CREATE INDEX reconciliations_by_day ON reconciliations (account_id, business_date)",
    """
    CREATE TABLE reconciled_calls (
        account_id         text NOT NULL,
        carrier            text NOT NULL,
        business_date      date NOT NULL,
        outcome_id         text NOT NULL,
        since_version      integer NOT NULL,
        until_version      integer,
        class              text NOT NULL,
        is_break           boolean NOT NULL,
        cause              text,
        ambiguous          boolean NOT NULL,
        switch_record_id   text,
        switch_date        date,
        carrier_record_id  text,
        carrier_date       date,
        started_at         timestamptz NOT NULL,
        destination        text NOT NULL,
        switch_seconds     numeric(18,3),
        carrier_seconds    numeric(18,3),
        switch_amount      numeric(24,8),
        carrier_amount     numeric(24,8),
        exposure           numeric(24,8) NOT NULL,
        delta_ms           bigint,
        found_at           timestamptz NOT NULL,
        PRIMARY KEY (account_id, carrier, business_date, outcome_id, since_version),
        CHECK (switch_record_id IS NOT NULL OR carrier_record_id IS NOT NULL)
    )
    """,
    """
    CREATE INDEX reconciled_calls_open_breaks ON reconciled_calls (account_id, business_date, carrier)
    WHERE is_break AND until_version IS NULL
    """,
    """
    CREATE TABLE break_decisions (
        account_id     text NOT NULL,
        outcome_id     text NOT NULL,
        decision_no    integer NOT NULL,
        decision       text NOT NULL CHECK (decision IN ('accepted', 'disputed', 'credited')),
        reason         text NOT NULL CHECK (reason <> ''),
        decided_by     text NOT NULL CHECK (decided_by <> ''),
        decided_at     timestamptz NOT NULL,
        PRIMARY KEY (account_id, outcome_id, decision_no)
    )
    """,
)


def upgrade() -> None:
    """Creates the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drops them."""
    for table in ("break_decisions", "reconciled_calls", "reconciliations"):
        op.execute(f"DROP TABLE {table}")
