"""Records whose numbers were erased on request, and who asked for it. The numbers themselves are kept nowhere."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLES = {
    "erasures": """
        account_id  text NOT NULL,
        erasure_id  uuid NOT NULL,
        actor       text NOT NULL,
        reason      text NOT NULL,
        records     bigint NOT NULL,
        rejects     bigint NOT NULL,
        erased_at   timestamptz NOT NULL,
        PRIMARY KEY (account_id, erasure_id)
    """,
    # One row for every day in which a version of the record stands or stood: the files of those days show it.
    "erased_records": """
        account_id     text NOT NULL,
        origin         text NOT NULL,
        record_id      text NOT NULL,
        business_date  date NOT NULL,
        erasure_id     uuid NOT NULL,
        PRIMARY KEY (account_id, origin, record_id, business_date)
    """,
}


def upgrade() -> None:
    """Adds them."""
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")


def downgrade() -> None:
    """Takes them away; what was erased stays so, until a record changes."""
    for table in _TABLES:
        op.execute(f"DROP TABLE {table}")
