"""Policies for old records, totals of what was removed, and the mask of numbers."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLES = {
    "retention_policies": """
        account_id       text NOT NULL,
        keep_months      integer CHECK (keep_months >= 1),
        archive          boolean NOT NULL,
        mask_after_days  integer CHECK (mask_after_days >= 1),
        set_by           text NOT NULL,
        set_at           timestamptz NOT NULL,
        PRIMARY KEY (account_id)
    """,
    "removed_months": """
        account_id       text NOT NULL,
        month            date NOT NULL,
        records          bigint NOT NULL,
        archived_path    text,
        archived_sha256  text,
        removed_at       timestamptz NOT NULL,
        PRIMARY KEY (account_id, month)
    """,
    # One row per currency; the empty one is of legs without any.
    "retained_totals": """
        account_id        text NOT NULL,
        business_date     date NOT NULL,
        origin            text NOT NULL,
        cost_currency     text NOT NULL,
        legs              bigint NOT NULL,
        duration_seconds  numeric NOT NULL,
        billing_seconds   numeric NOT NULL,
        cost              numeric NOT NULL,
        PRIMARY KEY (account_id, business_date, origin, cost_currency)
    """,
}
# A leg belongs to the day of its API record; the imported record that is linked to it goes where the leg goes.
_PLACES = """
    CREATE VIEW cdr_places WITH (security_invoker = true) AS
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
"""
# The last four characters of a number, or of the user before the host of a SIP address; masking twice changes nothing.
_MASKED = """
    CREATE FUNCTION cdr_masked(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT
            left(
                split_part(split_part(value, '@', 1), ';', 1),
                greatest(length(split_part(split_part(value, '@', 1), ';', 1)) - 4, 0)
            )
            || '****'
            || CASE WHEN position('@' IN value) > 0 THEN substr(value, position('@' IN value)) ELSE '' END
    $$
"""


def upgrade() -> None:
    """Adds them."""
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
    op.execute(_PLACES)
    op.execute(_MASKED)


def downgrade() -> None:
    """Takes them away; records that were removed stay so, and their totals are lost."""
    op.execute("DROP FUNCTION cdr_masked")
    op.execute("DROP VIEW cdr_places")
    for table in _TABLES:
        op.execute(f"DROP TABLE {table}")
