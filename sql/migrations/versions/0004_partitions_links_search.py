"""Records in monthly partitions, links between the two records of a leg, the merged view, indexes for searching.

Records and their history move into tables that are partitioned by the month of business_date; what is there goes with
them. There is no default partition on purpose: a row in it would keep its month's partition from ever being attached.
A key of a partitioned table must hold the column it is partitioned by, so it cannot forbid that one record stands in two
months: cdr_keys does, and finds a record by one look-up however many months there are.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Each column of the view by the rule that fills it; a test compares them with the rules of core/links.py.
_LEG = ("record_id", "business_date", "call_id", "call_direction", "started_at")
_TOGETHER = {
    "leg.duration_seconds IS NULL AND twin.duration_seconds IS NOT NULL": ("ended_at", "duration_seconds"),
    "leg.billing_seconds IS NULL AND twin.billing_seconds IS NOT NULL": ("answered_at", "billing_seconds", "answered"),
    "leg.remote_rtp_address IS NULL AND twin.remote_rtp_address IS NOT NULL": ("remote_rtp_address", "remote_rtp_port"),
    "leg.local_rtp_address IS NULL AND twin.local_rtp_address IS NOT NULL": ("local_rtp_address", "local_rtp_port"),
    "coalesce(leg.cost, 0) = 0 AND twin.cost IS NOT NULL": ("cost", "cost_currency", "rate"),
}
_COLUMNS = """
    account_id origin record_id business_date call_id other_leg_call_id bridge_id interaction_id call_direction
    started_at answered_at ended_at duration_seconds billing_seconds ringing_seconds answered hangup_cause disposition
    caller_id_name caller_id_number caller_e164 callee_id_name callee_id_number callee_e164 digits_dialed dialed_number
    calling_from cid_type to_uri from_uri to_host from_host sip_to sip_from sip_request user_agent remote_sdp local_sdp
    remote_rtp_address remote_rtp_port local_rtp_address local_rtp_port recording_url media_recordings owner_id
    authorizing_id endpoint_id tenant_id access_group username realm inception resource_id cost cost_currency rate
    rate_name call_type reseller_cost reseller_call_type carrier trunk call_priority handling_server_name media_server
    app_name app_version event_name event_category server_id
""".split()

_LINKS = """
    CREATE TABLE cdr_links (
        account_id              text NOT NULL,
        imported_record_id      text NOT NULL,
        imported_business_date  date NOT NULL,
        api_record_id           text NOT NULL,
        api_business_date       date NOT NULL,
        basis                   text NOT NULL CHECK (basis IN ('call_id', 'reconciled')),
        batch_id                uuid,
        run_id                  text,
        linked_at               timestamptz NOT NULL,
        PRIMARY KEY (account_id, imported_record_id),
        CONSTRAINT cdr_links_one_per_api_record UNIQUE (account_id, api_record_id)
    )
"""

_KEYS = """
    CREATE TABLE cdr_keys (
        account_id     text NOT NULL,
        origin         text NOT NULL,
        record_id      text NOT NULL,
        business_date  date NOT NULL,
        list_digest    uuid NOT NULL,
        row_digest     uuid NOT NULL,
        has_detail     boolean NOT NULL,
        PRIMARY KEY (account_id, origin, record_id)
    )
"""
_LINK_STAGE = """
    CREATE UNLOGGED TABLE cdr_link_stage (
        account_id     text NOT NULL,
        batch_id       uuid NOT NULL,
        origin         text NOT NULL,
        record_id      text NOT NULL,
        business_date  date NOT NULL,
        partner_id     text,
        partner_date   date
    )
"""

# Whoever searches gives accounts first, so every index begins with them. Numbers are compared as text by their bytes,
# whatever the database's collation, so that "begins with" can use the index. What a number is as delivered is only
# indexed where it says something else than the E.164 form, which most do not.
_INDEXES = {
    "cdr_by_time": "(account_id, started_at, record_id)",
    "cdr_imported_by_time": "(account_id, started_at, record_id) WHERE origin = 'imported'",
    "cdr_by_call": "(account_id, call_id)",
    "cdr_by_cause": "(account_id, hangup_cause, started_at)",
    "cdr_by_caller": "(account_id, caller_e164 text_pattern_ops) WHERE caller_e164 IS NOT NULL",
    "cdr_by_callee": "(account_id, callee_e164 text_pattern_ops) WHERE callee_e164 IS NOT NULL",
    "cdr_by_caller_as_sent": (
        "(account_id, caller_id_number text_pattern_ops) WHERE caller_id_number IS DISTINCT FROM caller_e164"
    ),
    "cdr_by_calling_from": (
        "(account_id, calling_from text_pattern_ops) WHERE calling_from IS DISTINCT FROM caller_e164"
        " AND calling_from IS DISTINCT FROM caller_id_number"
    ),
    "cdr_by_callee_as_sent": (
        "(account_id, callee_id_number text_pattern_ops) WHERE callee_id_number IS DISTINCT FROM callee_e164"
    ),
    "cdr_by_dialed": (
        "(account_id, dialed_number text_pattern_ops) WHERE dialed_number IS DISTINCT FROM callee_e164"
        " AND dialed_number IS DISTINCT FROM callee_id_number"
    ),
    "cdr_by_from_host": "(account_id, from_host text_pattern_ops) WHERE from_host IS NOT NULL",
    "cdr_by_to_host": "(account_id, to_host text_pattern_ops) WHERE to_host IS NOT NULL",
    "cdr_by_remote_rtp": "(account_id, remote_rtp_address text_pattern_ops) WHERE remote_rtp_address IS NOT NULL",
    "cdr_by_local_rtp": "(account_id, local_rtp_address text_pattern_ops) WHERE local_rtp_address IS NOT NULL",
}
# A table that the reader may read shows it the rows of the accounts in its scope, a setting of the transaction, and
# without one none. Tables of later migrations call this too.
_ISOLATE = """
    CREATE FUNCTION cdr_isolate(isolated regclass) RETURNS void LANGUAGE plpgsql AS $body$
    BEGIN
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', isolated);
        EXECUTE format(
            $policy$
                CREATE POLICY within_scope ON %s FOR SELECT USING (
                    account_id = ANY ((SELECT nullif(current_setting('cdr.account_scope', true), ''))::text[])
                )
            $policy$,
            isolated
        );
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cdr_reader') THEN
            EXECUTE format('GRANT SELECT ON %s TO cdr_reader', isolated);
        END IF;
    END
    $body$
"""
# The role belongs to the server, not to this database: another database may have made it, may be making it now, or
# who migrates may not make roles. Then an administrator does, and this is called once more.
_READER = """
    CREATE FUNCTION cdr_admit_reader() RETURNS boolean LANGUAGE plpgsql AS $body$
    DECLARE
        isolated regclass;
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'cdr_reader') THEN
            BEGIN
                CREATE ROLE cdr_reader NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOINHERIT;
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;
                WHEN insufficient_privilege THEN RETURN false;
            END;
        END IF;
        IF NOT pg_has_role(current_user, 'cdr_reader', 'MEMBER') THEN
            BEGIN
                EXECUTE format('GRANT cdr_reader TO %I', current_user);
            EXCEPTION
                WHEN insufficient_privilege THEN RETURN false;
            END;
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO cdr_reader', current_schema());
        FOR isolated IN
            SELECT oid
            FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace AND (relrowsecurity OR relname = 'cdr_merged')
        LOOP
            EXECUTE format('GRANT SELECT ON %s TO cdr_reader', isolated);
        END LOOP;
        RETURN true;
    END
    $body$
"""
_ISOLATED = (
    "accounts", "batches", "cdr", "cdr_history", "cdr_keys", "cdr_links", "days", "export_files", "rejects", "uploads",
    "windows",
)  # fmt: skip


def _value(column: str) -> str:
    if column == "account_id" or column in _LEG:
        return f"leg.{column}"
    if column == "origin":
        return "CASE WHEN twin.record_id IS NULL THEN leg.origin ELSE 'api+imported' END AS origin"
    for condition, members in _TOGETHER.items():
        if column in members:
            return f"CASE WHEN {condition} THEN twin.{column} ELSE leg.{column} END AS {column}"
    return f"coalesce(leg.{column}, twin.{column}) AS {column}"


def _merged() -> str:
    """One row per leg; a left join to nothing leaves every column of twin null, so that leg's values stand.

    saved_at is a CASE, since PostgreSQL takes COALESCE for something that may leak: behind row level security a period
    would be no condition of an index.
    """
    values = ",\n            ".join(_value(column) for column in _COLUMNS)
    return f"""
        CREATE VIEW cdr_merged WITH (security_invoker = true) AS
        SELECT
            {values},
            CASE WHEN twin.record_id IS NULL THEN leg.extra ELSE twin.extra || leg.extra END AS extra,
            leg.batch_id,
            leg.source_line,
            CASE WHEN leg.ended_at IS NULL THEN leg.started_at ELSE leg.ended_at END AS saved_at,
            greatest(leg.changed_at, twin.changed_at, link.linked_at) AS changed_at,
            twin.record_id AS linked_record_id,
            leg.origin AS leg_origin
        FROM cdr AS leg
        LEFT JOIN cdr_links AS link
            ON
                link.account_id = leg.account_id
                AND link.api_record_id = leg.record_id
                AND leg.origin = 'api'
        LEFT JOIN cdr AS twin
            ON
                twin.account_id = link.account_id
                AND twin.origin = 'imported'
                AND twin.record_id = link.imported_record_id
                AND twin.business_date = link.imported_business_date
        WHERE NOT EXISTS (
            SELECT 1
            FROM cdr_links AS shown
            WHERE
                shown.account_id = leg.account_id
                AND shown.imported_record_id = leg.record_id
                AND leg.origin = 'imported'
        )
    """


def _partitioned(table: str, key: str) -> None:
    """Moves a table's rows into a partitioned one of the same columns."""
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_whole")
    op.execute(f"ALTER INDEX {table}_pkey RENAME TO {table}_whole_pkey")
    op.execute(f"CREATE TABLE {table} (LIKE {table}_whole, PRIMARY KEY ({key})) PARTITION BY RANGE (business_date)")
    months = op.get_bind().exec_driver_sql(
        f"SELECT DISTINCT date_trunc('month', business_date)::date FROM {table}_whole ORDER BY 1"
    )
    for (month,) in months.fetchall():
        end = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
        op.execute(
            f"CREATE TABLE {table}_y{month:%Y}m{month:%m} PARTITION OF {table} FOR VALUES FROM ('{month}') TO ('{end}')"
        )
    op.execute(f"INSERT INTO {table} SELECT * FROM {table}_whole")
    op.execute(f"DROP TABLE {table}_whole")


def upgrade() -> None:
    """Partitions the records, and adds links, view and indexes."""
    op.execute("DROP INDEX cdr_by_day")
    op.execute("DROP INDEX cdr_by_call")
    _partitioned("cdr", "account_id, origin, record_id, business_date")
    _partitioned("cdr_history", "account_id, origin, record_id, replaced_by, business_date")
    for name, definition in _INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON cdr {definition}")
    op.execute(_KEYS)
    op.execute(
        "INSERT INTO cdr_keys SELECT account_id, origin, record_id, business_date, list_digest::uuid, row_digest::uuid,"
        " has_detail FROM cdr"
    )
    op.execute("ALTER TABLE cdr_stage ADD COLUMN believed_equal boolean NOT NULL")
    op.execute(_LINK_STAGE)
    op.execute("CREATE INDEX cdr_link_stage_by_batch ON cdr_link_stage (account_id, batch_id, origin, record_id)")
    op.execute(_LINKS)
    op.execute(_merged())
    op.execute(_ISOLATE)
    op.execute(_READER)
    for table in _ISOLATED:
        op.execute(f"SELECT cdr_isolate('{table}')")
    op.execute("SELECT cdr_admit_reader()")


def downgrade() -> None:
    """Puts the records back into tables of one piece; links are dropped."""
    op.execute("DROP VIEW cdr_merged")
    op.execute("DROP FUNCTION cdr_admit_reader")
    for table in _ISOLATED:
        op.execute(f"DROP POLICY within_scope ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    op.execute("DROP FUNCTION cdr_isolate")
    op.execute("DROP TABLE cdr_links, cdr_link_stage, cdr_keys")
    op.execute("ALTER TABLE cdr_stage DROP COLUMN believed_equal")
    for table, key in (
        ("cdr", "account_id, origin, record_id"),
        ("cdr_history", "account_id, origin, record_id, replaced_by"),
    ):
        op.execute(f"CREATE TABLE {table}_whole (LIKE {table}, PRIMARY KEY ({key}))")
        op.execute(f"INSERT INTO {table}_whole SELECT * FROM {table}")
        op.execute(f"DROP TABLE {table}")
        op.execute(f"ALTER TABLE {table}_whole RENAME TO {table}")
        op.execute(f"ALTER INDEX {table}_whole_pkey RENAME TO {table}_pkey")
    op.execute("CREATE INDEX cdr_by_day ON cdr (account_id, business_date, started_at, origin, record_id)")
    op.execute("CREATE INDEX cdr_by_call ON cdr (account_id, call_id)")
