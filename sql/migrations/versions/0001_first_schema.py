"""First schema: accounts, records with their history, batches, windows, uploads, rejects, days, export files.

Every key holds account_id, the column by which a cluster places rows. A migration is frozen once released, so the
columns are written out; a test compares them with the field dictionary.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_RECORD = """
    account_id            text NOT NULL,
    origin                text NOT NULL,
    record_id             text NOT NULL,
    business_date         date NOT NULL,
    call_id               text,
    other_leg_call_id     text,
    bridge_id             text,
    interaction_id        text,
    call_direction        text,
    started_at            timestamptz NOT NULL,
    answered_at           timestamptz,
    ended_at              timestamptz,
    duration_seconds      numeric(12,3),
    billing_seconds       numeric(12,3),
    ringing_seconds       numeric(12,3),
    answered              boolean,
    hangup_cause          text,
    disposition           text,
    caller_id_name        text,
    caller_id_number      text,
    caller_e164           text,
    callee_id_name        text,
    callee_id_number      text,
    callee_e164           text,
    digits_dialed         text,
    dialed_number         text,
    calling_from          text,
    cid_type              text,
    to_uri                text,
    from_uri              text,
    to_host               text,
    from_host             text,
    sip_to                text,
    sip_from              text,
    sip_request           text,
    user_agent            text,
    remote_sdp            text,
    local_sdp             text,
    remote_rtp_address    text,
    remote_rtp_port       integer,
    local_rtp_address     text,
    local_rtp_port        integer,
    recording_url         text,
    media_recordings      text,
    owner_id              text,
    authorizing_id        text,
    endpoint_id           text,
    tenant_id             text,
    access_group          text,
    username              text,
    realm                 text,
    inception             text,
    resource_id           text,
    cost                  numeric(18,8),
    cost_currency         text,
    rate                  numeric(18,8),
    rate_name             text,
    call_type             text,
    reseller_cost         numeric(18,8),
    reseller_call_type    text,
    carrier               text,
    trunk                 text,
    call_priority         text,
    handling_server_name  text,
    media_server          text,
    app_name              text,
    app_version           text,
    event_name            text,
    event_category        text,
    server_id             text,
    extra                   jsonb NOT NULL,
    has_detail              boolean NOT NULL,
    list_digest             text NOT NULL,
    row_digest              text NOT NULL,
    batch_id                uuid NOT NULL,
    source_line             bigint NOT NULL,
    changed_at              timestamptz NOT NULL
"""

_STAGED = """
    account_id            text,
    origin                text,
    record_id             text,
    business_date         date,
    call_id               text,
    other_leg_call_id     text,
    bridge_id             text,
    interaction_id        text,
    call_direction        text,
    started_at            timestamptz,
    answered_at           timestamptz,
    ended_at              timestamptz,
    duration_seconds      numeric(12,3),
    billing_seconds       numeric(12,3),
    ringing_seconds       numeric(12,3),
    answered              boolean,
    hangup_cause          text,
    disposition           text,
    caller_id_name        text,
    caller_id_number      text,
    caller_e164           text,
    callee_id_name        text,
    callee_id_number      text,
    callee_e164           text,
    digits_dialed         text,
    dialed_number         text,
    calling_from          text,
    cid_type              text,
    to_uri                text,
    from_uri              text,
    to_host               text,
    from_host             text,
    sip_to                text,
    sip_from              text,
    sip_request           text,
    user_agent            text,
    remote_sdp            text,
    local_sdp             text,
    remote_rtp_address    text,
    remote_rtp_port       integer,
    local_rtp_address     text,
    local_rtp_port        integer,
    recording_url         text,
    media_recordings      text,
    owner_id              text,
    authorizing_id        text,
    endpoint_id           text,
    tenant_id             text,
    access_group          text,
    username              text,
    realm                 text,
    inception             text,
    resource_id           text,
    cost                  numeric(18,8),
    cost_currency         text,
    rate                  numeric(18,8),
    rate_name             text,
    call_type             text,
    reseller_cost         numeric(18,8),
    reseller_call_type    text,
    carrier               text,
    trunk                 text,
    call_priority         text,
    handling_server_name  text,
    media_server          text,
    app_name              text,
    app_version           text,
    event_name            text,
    event_category        text,
    server_id             text,
    extra_source            text,
    detail_source           text,
    has_detail              boolean NOT NULL,
    list_digest             text NOT NULL,
    row_digest              text NOT NULL,
    batch_id                uuid NOT NULL,
    source_line             bigint NOT NULL
"""

_STATEMENTS = (
    """
    CREATE TABLE accounts (
        account_id    text PRIMARY KEY,
        name          text NOT NULL,
        parent_id     text,
        time_zone     text NOT NULL,
        country_code  text,
        dialect       text,
        active        boolean NOT NULL,
        added_at      timestamptz NOT NULL
    )
    """,
    f"CREATE TABLE cdr ({_RECORD}, PRIMARY KEY (account_id, origin, record_id))",
    "CREATE INDEX cdr_by_day ON cdr (account_id, business_date, started_at, origin, record_id)",
    "CREATE INDEX cdr_by_call ON cdr (account_id, call_id)",
    f"""
    CREATE TABLE cdr_history (
        {_RECORD},
        replaced_by  uuid NOT NULL,
        replaced_at  timestamptz NOT NULL,
        PRIMARY KEY (account_id, origin, record_id, replaced_by)
    )
    """,
    f"CREATE UNLOGGED TABLE cdr_stage ({_STAGED})",
    "CREATE INDEX cdr_stage_by_batch ON cdr_stage (account_id, batch_id, origin, record_id)",
    """
    CREATE TABLE batches (
        account_id       text NOT NULL,
        batch_id         uuid NOT NULL,
        kind             text NOT NULL CHECK (kind IN ('window', 'upload')),
        source           text NOT NULL,
        rows_read        bigint NOT NULL,
        rows_inserted    bigint NOT NULL,
        rows_updated     bigint NOT NULL,
        rows_unchanged   bigint NOT NULL,
        rows_duplicate   bigint NOT NULL,
        rows_rejected    bigint NOT NULL,
        rows_filtered    bigint NOT NULL,
        run_id           text,
        loaded_at        timestamptz NOT NULL,
        PRIMARY KEY (account_id, batch_id),
        CONSTRAINT batches_balance CHECK (
            rows_read = rows_inserted + rows_updated + rows_unchanged + rows_duplicate + rows_rejected
                + rows_filtered
        )
    )
    """,
    """
    CREATE TABLE windows (
        account_id     text NOT NULL,
        starts_at      timestamptz NOT NULL,
        ends_at        timestamptz NOT NULL,
        business_date  date NOT NULL,
        state          text NOT NULL CHECK (state IN ('landed', 'loaded', 'failed')),
        dialect        text,
        rows_landed    bigint,
        landing_path   text,
        landed_at      timestamptz,
        batch_id       uuid,
        error_code     text,
        error_message  text,
        attempted_at   timestamptz NOT NULL,
        PRIMARY KEY (account_id, starts_at, ends_at, business_date)
    )
    """,
    "CREATE INDEX windows_by_day ON windows (account_id, business_date)",
    """
    CREATE TABLE uploads (
        account_id     text NOT NULL,
        sha256         text NOT NULL,
        profile        text NOT NULL,
        time_zone      text,
        file_name      text NOT NULL,
        bytes          bigint NOT NULL,
        landing_path   text NOT NULL,
        state          text NOT NULL CHECK (state IN ('landed', 'loaded', 'refused')),
        batch_id       uuid,
        error_code     text,
        error_message  text,
        received_at    timestamptz NOT NULL,
        loaded_at      timestamptz,
        PRIMARY KEY (account_id, sha256)
    )
    """,
    """
    CREATE TABLE rejects (
        account_id   text NOT NULL,
        reject_id    text NOT NULL,
        batch_id     uuid NOT NULL,
        origin       text NOT NULL,
        source       text NOT NULL,
        line         bigint NOT NULL,
        field        text NOT NULL,
        reason       text NOT NULL,
        raw          text NOT NULL,
        business_date  date,
        rejected_at  timestamptz NOT NULL,
        PRIMARY KEY (account_id, reject_id)
    )
    """,
    """
    CREATE TABLE days (
        account_id       text NOT NULL,
        business_date    date NOT NULL,
        state            text NOT NULL CHECK (state IN ('open', 'sealed', 'restated')),
        changes          bigint NOT NULL,
        exported_changes bigint NOT NULL,
        changed_at       timestamptz,
        collected_at     timestamptz,
        complete_through timestamptz,
        exported_at      timestamptz,
        PRIMARY KEY (account_id, business_date)
    )
    """,
    """
    CREATE TABLE export_files (
        account_id     text NOT NULL,
        business_date  date NOT NULL,
        version        integer NOT NULL,
        dialect        text NOT NULL,
        path           text NOT NULL,
        sha256         text NOT NULL,
        bytes          bigint NOT NULL,
        row_count      bigint NOT NULL,
        written_at     timestamptz NOT NULL,
        PRIMARY KEY (account_id, business_date, version, dialect)
    )
    """,
)

_TABLES = (
    "export_files",
    "days",
    "rejects",
    "uploads",
    "windows",
    "batches",
    "cdr_stage",
    "cdr_history",
    "cdr",
    "accounts",
)


def upgrade() -> None:
    """Creates the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drops them."""
    for table in _TABLES:
        op.execute(f"DROP TABLE {table}")
