"""Links of all records of a call: parts of a long call, and charges that were credited."""

import re

from alembic import op

from cdr_pipeline.warehouse.records.merged_view import replace_merged_view

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_ONE_PER_RECORD = "ALTER TABLE cdr_links ADD CONSTRAINT cdr_links_one_per_api_record UNIQUE (account_id, api_record_id{})"
_PLACES = """
    CREATE OR REPLACE VIEW cdr_places WITH (security_invoker = true) AS
    SELECT
        keys.account_id,
        keys.origin,
        keys.record_id,
        keys.business_date,
        coalesce(leg.api_business_date, keys.business_date) AS leg_date,
        coalesce(leg.api_record_id, twin.imported_record_id) AS linked_record_id
    FROM cdr_keys AS keys
    LEFT JOIN cdr_links AS leg
        ON
            leg.account_id = keys.account_id
            AND leg.imported_record_id = keys.record_id
            AND keys.origin = 'imported'
    LEFT JOIN cdr_links AS twin
        ON
            twin.account_id = keys.account_id
            AND twin.api_record_id = keys.record_id
            AND keys.origin = 'api'
            {}
"""
_OF_PARTS = ((r"\s+AND \(?link\.part_no = 0\)?", ""), (r"COALESCE\(link\.parts_cost, twin\.cost\)", "twin.cost"))


def upgrade() -> None:
    """Adds the columns. A leg is shown with its first record, number 0, and the cost of all."""
    op.execute("ALTER TABLE cdr_links ADD COLUMN part_no integer NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE cdr_links ADD COLUMN parts_cost numeric(18,8)")
    op.execute("ALTER TABLE cdr_links DROP CONSTRAINT cdr_links_one_per_api_record")
    op.execute(_ONE_PER_RECORD.format(", part_no"))
    op.execute("ALTER TABLE reconciled_calls ADD COLUMN part_of text")
    op.execute(
        "CREATE INDEX reconciled_calls_parts ON reconciled_calls (account_id, part_of)"
        " WHERE part_of IS NOT NULL AND until_version IS NULL"
    )
    op.execute(_PLACES.format("AND twin.part_no = 0"))
    replace_merged_view(op.get_bind())


def downgrade() -> None:
    """Removes further records of calls from the links; they are legs of their own again."""
    view = op.get_bind().exec_driver_sql("SELECT pg_get_viewdef('cdr_merged')").scalar_one()
    for pattern, replacement in _OF_PARTS:
        view = re.sub(pattern, replacement, view)
    op.execute(f"CREATE OR REPLACE VIEW cdr_merged WITH (security_invoker = true) AS {view}")
    op.execute(_PLACES.format(""))
    op.execute("ALTER TABLE reconciled_calls DROP COLUMN part_of")
    op.execute("DELETE FROM cdr_links WHERE part_no > 0")
    op.execute("ALTER TABLE cdr_links DROP CONSTRAINT cdr_links_one_per_api_record")
    op.execute(_ONE_PER_RECORD.format(""))
    op.execute("ALTER TABLE cdr_links DROP COLUMN parts_cost")
    op.execute("ALTER TABLE cdr_links DROP COLUMN part_no")
