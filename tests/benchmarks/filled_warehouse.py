"""A warehouse filled on the server's side, for benchmarks of reading: partitions are made apart, indexes at the end."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.records.partitions import next_month, partition_name
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.migrate import upgrade
from cdr_pipeline.warehouse.statements import named

ACCOUNTS = 50
LARGE = "a7"
FIRST = date(2026, 1, 1)
DAYS = 90
# Numbers, addresses and causes vary as real ones do; half of all legs are of one large account, and every twentieth
# row is a carrier's record of the leg before it, which says what that one leaves open.
_ROWS = """
INSERT INTO {partition} (
    account_id, origin, record_id, business_date, call_id, other_leg_call_id, call_direction, started_at, answered_at,
    ended_at, duration_seconds, billing_seconds, ringing_seconds, answered, hangup_cause, caller_id_name,
    caller_id_number, caller_e164, callee_id_name, callee_id_number, callee_e164, dialed_number, calling_from, to_uri,
    from_uri, from_host, to_host, sip_to, sip_from, sip_request, remote_rtp_address, owner_id, authorizing_id, realm,
    cost, cost_currency, rate, carrier, media_server, interaction_id, extra, has_detail, list_digest, row_digest,
    batch_id, source_line, changed_at
)
SELECT
    account_id, CASE WHEN n = leg THEN 'api' ELSE 'imported' END,
    CASE WHEN n = leg THEN to_char(started, 'YYYYMM') || '-' ELSE 'c' END || name, started::date, name,
    CASE WHEN n = leg THEN md5((leg # 1)::text) END, CASE WHEN leg %% 2 = 0 THEN 'inbound' ELSE 'outbound' END,
    started, started + make_interval(secs => least(10, duration)), started + make_interval(secs => duration),
    duration, greatest(0, duration - 10), least(10, duration), duration > 10,
    (ARRAY['NORMAL_CLEARING', 'NO_ANSWER', 'USER_BUSY', 'ORIGINATOR_CANCEL'])[1 + chance %% 4],
    CASE WHEN n = leg THEN 'Caller ' || chance %% 1000 END, '+1' || (2000000000 + chance %% 7000003),
    '+1' || (2000000000 + chance %% 7000003), CASE WHEN n = leg THEN 'Callee ' || chance %% 500 END,
    '+49' || (30000000 + chance %% 5000011), '+49' || (30000000 + chance %% 5000011),
    '+49' || (30000000 + chance %% 5000011), '+1' || (2000000000 + chance %% 7000003),
    chance %% 300 || '@' || realm, chance %% 977 || '@carrier.example',
    '10.' || chance %% 200 || '.' || chance %% 251 || '.7',
    realm, chance %% 300 || '@' || realm, chance %% 977 || '@carrier.example', chance %% 300 || '@' || realm,
    '198.51.' || chance %% 256 || '.' || chance %% 250, 'u' || chance %% 400, 'd' || chance %% 900, realm,
    CASE WHEN leg %% 20 <> 18 OR n > leg THEN duration * 0.0001 END,
    CASE WHEN leg %% 20 <> 18 OR n > leg THEN 'USD' END, CASE WHEN leg %% 20 <> 18 OR n > leg THEN 0.01 END,
    CASE WHEN n > leg THEN 'acme' END, CASE WHEN n = leg THEN 'media' || chance %% 8 || '.example' END,
    CASE WHEN n = leg THEN (63000000000 + leg / 2)::text END, '{{}}', false, md5(n::text), md5(n::text),
    gen_random_uuid(), n, '2026-04-01'
FROM (
    SELECT *, CASE WHEN place %% 2 = 0 THEN %(large)s ELSE %(prefix)s || place / 2 %% %(accounts)s END AS account_id,
        'pbx' || chance %% %(accounts)s || '.example' AS realm, chance %% 600 AS duration
    FROM (
        SELECT *, hashint4(leg)::bigint + 2147483648 AS chance,
            hashint4(-leg)::bigint + 2147483648 AS place, md5(leg::text) AS name,
            %(first)s::timestamptz + leg * make_interval(secs => %(step)s) AS started
        FROM (
            SELECT n, n - CASE WHEN n %% 20 = 19 THEN 1 ELSE 0 END AS leg
            FROM generate_series(%(from)s::int, %(to)s::int) AS n
        ) AS numbered
    ) AS timed
    WHERE started >= %(month)s AND started < %(end)s
) AS made
"""
_KEYS = (
    "ALTER TABLE cdr_keys DROP CONSTRAINT cdr_keys_pkey",
    "TRUNCATE cdr_keys, cdr_links",
    """
    INSERT INTO cdr_keys
    SELECT account_id, origin, record_id, business_date, list_digest::uuid, row_digest::uuid, has_detail FROM cdr
    """,
    "ALTER TABLE cdr_keys ADD PRIMARY KEY (account_id, origin, record_id)",
    """
    INSERT INTO cdr_links
    SELECT
        account_id, record_id, business_date, to_char(started_at, 'YYYYMM') || '-' || call_id, business_date, 'call_id',
        NULL, NULL, '2026-04-01'
    FROM cdr
    WHERE origin = 'imported'
    """,
)
# Nothing is to be kept through a crash while rows are made; the benchmark runs with the settings of every server.
_FILLING = {"wal_level": "minimal", "max_wal_senders": "0", "fsync": "off", "max_wal_size": "20GB"}


def workplace_of(folder: Path) -> tuple[EmbeddedServer, RunContext]:
    """The server of a folder, which runs, and a workplace over it. The tables are brought up to date."""
    server = EmbeddedServer(folder / "warehouse")
    server.ensure_running()
    upgrade(server.url)
    return server, RunContext.open(
        Settings(data_dir=folder / "data", warehouse_url=server.url, DAGSTER_HOME=folder / "home")
    )


@dataclass(frozen=True)
class Filling:
    """What a warehouse is filled with.

    Attributes:
        rows: number of records, spread evenly over the days; half of the legs are of the account with number 7.
        accounts: number of accounts; their ids are the prefix and a number, and number 0 is the parent of all others.
        first, days: period of the records.
    """

    rows: int
    accounts: int = ACCOUNTS
    prefix: str = "a"
    first: date = FIRST
    days: int = DAYS

    def months(self) -> Iterator[date]:
        """First days of the months of the period."""
        month = self.first.replace(day=1)
        while month <= self.first + timedelta(self.days):
            yield month
            month = next_month(month)


def fill(folder: Path, filling: Filling) -> None:
    """Records of the accounts with their keys and links."""
    server, ctx = workplace_of(folder)
    root = f"{filling.prefix}0"
    with ctx.ledger() as ledger:
        for number in range(filling.accounts):
            account = Account(f"{filling.prefix}{number}", f"Account {number}", None if number == 0 else root)
            ledger.accounts.add(account, now=ctx.clock())
    with psycopg.connect(server.url, autocommit=True) as connection:
        for name, value in _FILLING.items():
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    server.stop()
    server.ensure_running()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda month: _fill_month(server.url, filling, month), filling.months()))
    with _filling(server.url) as connection:
        with connection.transaction():
            for statement in _KEYS:
                connection.execute(statement)
        connection.execute("ALTER SYSTEM RESET ALL")
        connection.execute("VACUUM ANALYZE")
    server.stop()


def _fill_month(url: str, filling: Filling, month: date) -> None:
    step = filling.days * 86_400 / filling.rows
    end = next_month(month)
    numbers = [int((day - filling.first).days * 86_400 / step) for day in (month, end)]
    bound = {
        "large": f"{filling.prefix}7", "prefix": filling.prefix, "accounts": filling.accounts, "first": filling.first,
        "step": step, "month": month, "end": end, "from": max(1, numbers[0] - 20),
        "to": min(filling.rows, numbers[1] + 20),
    }  # fmt: skip
    bounds = {"first_day": sql.Literal(month), "end_day": sql.Literal(end)}
    # A table that is new to the transaction needs no log.
    with _filling(url) as connection, connection.transaction():
        for table in ("cdr", "cdr_history"):
            names = {"table": sql.Identifier(table), "partition": sql.Identifier(partition_name(table, month))}
            connection.execute(named("records/add_partition", **names))
            if table == "cdr":
                connection.execute(sql.SQL(_ROWS).format(partition=names["partition"]), bound)
            connection.execute(named("records/attach_partition", **names, **bounds))


def _filling(url: str) -> psycopg.Connection[Any]:
    settings = "-c synchronous_commit=off -c maintenance_work_mem=1GB -c work_mem=256MB -c timezone=UTC"
    return psycopg.connect(url, autocommit=True, options=settings)
