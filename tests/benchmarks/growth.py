"""Benchmark ``growth``: what a year of nights does to the night, the first page, a search, retention and the checks.

    python tests/benchmarks/growth.py [--accounts 1000] [--days 365] [--records 10] [--keys 6000000]

The server makes the months: records of every account's day, keys without records on top of them (the table by which a
load recognizes what it has), and the ledger: days, windows, batches, files with their manifests, seals, deliveries and
reconciliations. Everything is measured after the first month and again after the last one. Processor seconds include
the server's; they say more than seconds on a machine that does other work too.

Nothing is written below the folder of exports for the made days, so the check of sealed files is not measured here.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
import psycopg
from filled_warehouse import workplace_of
from psycopg import sql

from cdr_pipeline.api.filters.conditions import conditions_of
from cdr_pipeline.core.fields.schemas import working_schema
from cdr_pipeline.core.records.search import Search
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.days.calendar import calendar, night_summaries
from cdr_pipeline.steps.days.deliver_files import DeliverRequest, deliver_files
from cdr_pipeline.steps.days.export_days import ExportRequest, export_days
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.records.search_records import RecordSearch
from cdr_pipeline.steps.retention.retain_records import retain_records, set_policy
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.records.loading import BatchHeader, batch_load
from cdr_pipeline.warehouse.records.partitions import next_month, partition_name
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.statements import named

FIRST = date(2025, 1, 1)
# The accounts with the lowest numbers lose their oldest month; they have no keys without records, which would be found.
RETAINED_ACCOUNTS = 20
# The next ones are those of a measured night, with so many records each.
NIGHT_ACCOUNTS = range(RETAINED_ACCOUNTS, RETAINED_ACCOUNTS + 20)
NIGHT_ROWS = 200
REPEATS = 3
# Statements that fill a month, over the account numbers and its days.
_DAYS_OF_MONTH = """
    FROM generate_series(0, %(accounts)s - 1) AS a (number)
    CROSS JOIN LATERAL (SELECT 'a' || lpad(a.number::text, 5, '0') AS account_id) AS account
    CROSS JOIN LATERAL (
        SELECT day::date AS business_date, day AT TIME ZONE 'UTC' AS midnight
        FROM generate_series(%(first)s::timestamp, %(last)s::timestamp, interval '1 day') AS day
    ) AS days
"""
_PATH = (
    "account_id || '/' || to_char(business_date, 'YYYY/MM') || '/cdrs_' || account_id || '_' || business_date"
    " || '_v1.csv'"
)
_SHA = "md5(account_id || business_date) || md5(business_date || account_id)"
_RECORDS = """
    INSERT INTO {partition} (
        account_id, origin, record_id, business_date, call_id, call_direction, started_at, ended_at, duration_seconds,
        billing_seconds, answered, caller_id_number, caller_e164, callee_id_number, callee_e164, cost, cost_currency,
        extra, has_detail, list_digest, row_digest, batch_id, source_line, changed_at
    )
    SELECT
        account_id, 'api', to_char(business_date, 'YYYYMM') || '-' || md5(account_id || business_date || n),
        business_date, md5(account_id || business_date || n), 'inbound', midnight + make_interval(secs => n * 300),
        midnight + make_interval(secs => n * 300 + 60), 60, 50, true,
        '+1' || (2000000000 + (number * 7919 + n * 104729) %% 7000003),
        '+1' || (2000000000 + (number * 7919 + n * 104729) %% 7000003), '+4930' || number, '+4930' || number,
        0.01, 'USD', '{{}}', false, md5(n::text), md5(n::text), gen_random_uuid(), n, midnight + interval '1 day'
"""
_FILLED = (
    """
    INSERT INTO cdr_keys (account_id, origin, record_id, business_date, list_digest, row_digest, has_detail)
    SELECT account_id, origin, record_id, business_date, list_digest::uuid, row_digest::uuid, has_detail
    FROM cdr WHERE business_date BETWEEN %(first)s AND %(last)s
    """,
    f"""
    INSERT INTO cdr_keys (account_id, origin, record_id, business_date, list_digest, row_digest, has_detail)
    SELECT account_id, 'api', to_char(business_date, 'YYYYMM') || '-key-' || md5(account_id || business_date || n),
        business_date, md5(n::text)::uuid, md5(n::text)::uuid, false
    {_DAYS_OF_MONTH} CROSS JOIN generate_series(1, %(keys)s::int) AS n
    WHERE number >= {RETAINED_ACCOUNTS}
    """,
    f"""
    INSERT INTO days (
        account_id, business_date, state, changes, exported_changes, changed_at, collected_at, complete_through,
        exported_at, volume, usual_rows, version, sealed_at, published_at
    )
    SELECT account_id, business_date, 'sealed', 1, 1, midnight + interval '1 day', midnight + interval '1 day',
        midnight + interval '1 day', midnight + interval '2 days', 'usual', 1000, 1, midnight + interval '2 days',
        midnight + interval '2 days'
    {_DAYS_OF_MONTH}
    """,
    f"""
    INSERT INTO windows (
        account_id, starts_at, ends_at, business_date, state, dialect, rows_landed, landing_path, landed_at, batch_id,
        attempted_at, content_sha256
    )
    SELECT account_id, midnight, midnight + interval '1 day', business_date, 'loaded', 'k5', 1000,
        'landing/' || account_id || '/' || business_date, midnight + interval '1 day', gen_random_uuid(),
        midnight + interval '1 day', {_SHA}
    {_DAYS_OF_MONTH}
    """,
    f"""
    INSERT INTO batches (
        account_id, batch_id, kind, source, rows_read, rows_inserted, rows_updated, rows_unchanged, rows_duplicate,
        rows_rejected, rows_filtered, loaded_at
    )
    SELECT account_id, gen_random_uuid(), 'window', business_date::text, 1000, 1000, 0, 0, 0, 0, 0,
        midnight + interval '1 day'
    {_DAYS_OF_MONTH}
    """,
    f"""
    INSERT INTO export_files (
        account_id, business_date, version, dialect, path, sha256, bytes, row_count, written_at, content_sha256,
        manifest
    )
    SELECT account_id, business_date, 1, 'exact', {_PATH}, {_SHA}, 600000, 1000, midnight + interval '2 days', {_SHA},
        '{{"sha256":"' || {_SHA} || '","columns":"' || repeat('some column,', 100) || '"}}'
    {_DAYS_OF_MONTH}
    """.replace("{{", "{").replace("}}", "}"),
    f"""
    INSERT INTO day_events (
        account_id, business_date, event_id, event, version, actor, reason, overridden, after_sha256, happened_at
    )
    SELECT account_id, business_date, gen_random_uuid(), 'sealed', 1, 'cdr_pipeline', 'made', '{{}}'::text[], {_SHA},
        midnight + interval '2 days'
    {_DAYS_OF_MONTH}
    """.replace("{{", "{").replace("}}", "}"),
    f"""
    INSERT INTO deliveries (
        account_id, target, path, business_date, version, sha256, bytes, state, attempts, due_at, attempted_at,
        delivered_at, receipt
    )
    SELECT account_id, 'finance', {_PATH}, business_date, 1, {_SHA}, 600000, 'delivered', 1,
        midnight + interval '2 days', midnight + interval '2 days', midnight + interval '2 days', 'written'
    {_DAYS_OF_MONTH}
    """,
    f"""
    INSERT INTO reconciliations (
        account_id, carrier, business_date, version, status, light, findings, inputs_hash, rules_hash, code_version,
        currency, switch_rows, switch_seconds, carrier_rows, carrier_seconds, breaks, exposure, offset_status,
        offset_ms, drift_ppm, spread_ms, offset_pairs, offset_finding, appeared, resolved, changed, totals,
        seen_changes, reconciled_at
    )
    SELECT account_id, 'acme', business_date, 1, 'final', 'green', '{{}}'::text[], 'made', 'made', '1', 'USD', 1000,
        60000, 1000, 60000, 0, 0, 'none', 0, 0, 0, 0, '', 0, 0, 0, '{{}}'::jsonb, 1, midnight + interval '2 days'
    {_DAYS_OF_MONTH}
    """.replace("{{", "{").replace("}}", "}"),
)


def fill_month(url: str, first: date, last: date, *, accounts: int, records: int, keys: int) -> None:
    """A month of sealed days: records in a partition of their own, keys, and the ledger."""
    bound = {"first": first, "last": last, "accounts": accounts, "keys": keys, "records": records}
    bounds = {"first_day": sql.Literal(first), "end_day": sql.Literal(next_month(first))}
    options = "-c synchronous_commit=off -c maintenance_work_mem=512MB -c timezone=UTC"
    with psycopg.connect(url, autocommit=True, options=options) as connection:
        for table in ("cdr", "cdr_history"):
            parts = {"table": sql.Identifier(table), "partition": sql.Identifier(partition_name(table, first))}
            with connection.transaction():
                connection.execute(named("records/add_partition", **parts))
                if table == "cdr":
                    made = sql.SQL(_RECORDS).format(partition=parts["partition"])
                    rows = sql.SQL(f"{_DAYS_OF_MONTH} CROSS JOIN generate_series(1, %(records)s::int) AS n")
                    connection.execute(made + rows, bound)
                connection.execute(named("records/attach_partition", **parts, **bounds))
        for statement in _FILLED:
            connection.execute(statement, bound)  # pyright: ignore[reportArgumentType, reportCallIssue]
        connection.execute("VACUUM ANALYZE")


def place(folder: Path, today: date) -> RunContext:
    """The workplace on a day, at noon, with one target for the files."""
    server = EmbeddedServer(folder / "warehouse")
    values: dict[str, Any] = {
        "data_dir": folder / "data",
        "warehouse_url": server.ensure_running(),
        "DAGSTER_HOME": folder / "home",
        "api_url": "http://127.0.0.1:9",
        "api_token": "t" * 32,
        "first_date": str(FIRST),
    }
    settings = Settings(**values).model_copy(update={"clock_tolerance_seconds": float("inf")})
    settings.targets_file.parent.mkdir(parents=True, exist_ok=True)
    settings.targets_file.write_text(f'[finance]\nurl = "{folder}/delivered"\n')
    noon = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    return replace(RunContext.open(settings), clock=lambda: noon)


def load_night(ctx: RunContext, day: date) -> None:
    """Loads new records of some accounts."""
    schema = working_schema()
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    with ctx.ledger() as ledger:
        for number in NIGHT_ACCOUNTS:
            account = f"a{number:05d}"
            rows = [
                dict.fromkeys(schema)
                | {"account_id": account, "origin": "api", "business_date": day, "raw": "{}", "line": line}
                | {"record_id": f"{day:%Y%m}-{uuid4()}", "started_at": midnight + timedelta(seconds=line)}
                for line in range(1, NIGHT_ROWS + 1)
            ]
            header = BatchHeader(account, uuid4(), "window", "made", ctx.clock(), day)
            with batch_load(ledger.connection, header) as load:
                load.stage(pl.DataFrame(rows, schema=schema, orient="row"))
                load.finish(read=NIGHT_ROWS)


def night(ctx: RunContext, day: date) -> None:
    """Loads, exports, seals and delivers a day of some accounts, as a night does."""
    load_night(ctx, day)
    accounts = [f"a{number:05d}" for number in NIGHT_ACCOUNTS]
    assert all(done.file for done in export_days(ExportRequest([day], accounts), ctx))
    sealed = seal_days(SealRequest([day], accounts, Override("benchmark", "made by the benchmark")), ctx)
    assert {done.outcome for done in sealed} == {"sealed"}, sealed[0]
    delivered = deliver_files(DeliverRequest(), ctx)
    assert {done.outcome for done in delivered} == {"delivered"}, delivered[:1]


def first_page(ctx: RunContext, accounts: list[str]) -> None:
    """The statements of the console's first page."""
    last = ctx.clock().date()
    marked = calendar(accounts, last - timedelta(days=30), last + timedelta(days=1), ctx, only_action=True)
    night_summaries(accounts, last - timedelta(days=14), last - timedelta(days=1), marked, ctx)


def month_page(ctx: RunContext, accounts: list[str]) -> None:
    """The calendar of the month."""
    last = ctx.clock().date()
    calendar(accounts[:50], last.replace(day=1), last, ctx)


def day_status(ctx: RunContext, accounts: list[str]) -> None:
    """What ``status --date`` reads of yesterday."""
    yesterday = ctx.clock().date() - timedelta(days=1)
    with ctx.ledger() as ledger:
        ledger.days.status(accounts, yesterday, yesterday)


def search(ctx: RunContext, _accounts: list[str]) -> None:
    """A page of an account's calls from a number, of any time."""
    conditions = conditions_of([("from", "+12000039595")], Account("a00005"), frozenset(("created_from",)))

    async def page() -> None:
        records = RecordSearch(ctx, 2, 60, 60)
        await records.open()
        try:
            await records.page(Search(("a00005",), tuple(conditions), None, known_at=ctx.clock()), size=50, start=None)
        finally:
            await records.close()

    asyncio.run(page())


def problems(ctx: RunContext, _accounts: list[str]) -> None:
    """What ``doctor`` and the console look for."""
    find_problems(ctx)


def nothing_due(ctx: RunContext, accounts: list[str]) -> None:
    """What a night looks for: days to export, to seal, to restate, to publish, and files to deliver."""
    with ctx.ledger() as ledger:
        ledger.days.to_export(accounts)
        ledger.day_states.open_files(accounts)
        for state in ("open", "late", "unpublished"):
            ledger.day_states.in_state(accounts, state)
        ledger.deliveries.queue(accounts, "finance", ["exact"], now=ctx.clock())
        ledger.deliveries.list_all(accounts, ["pending"])


def retention(ctx: RunContext, month: date) -> None:
    """Removes the oldest month of some accounts."""
    today = ctx.clock().date()
    keep = (today.year - month.year) * 12 + today.month - month.month - 1
    for number in range(RETAINED_ACCOUNTS):
        set_policy(f"a{number:05d}", ctx, keep_months=max(1, keep), archive=False, mask_after_days=None, actor="b")
    removed = retain_records(ctx).months
    assert {item.outcome for item in removed} == {"removed"}, removed
    assert len(removed) == RETAINED_ACCOUNTS


class Watch:
    """Seconds, and processor seconds of this process and of the server, of one part after the other."""

    def __init__(self, folder: Path) -> None:
        data = EmbeddedServer(folder / "warehouse").cluster
        self._leader = (data / "postmaster.pid").read_text().split()[0]

    def best(self, part: Callable[[], object], times: int) -> tuple[float, float]:
        """The least seconds, and the least processor seconds, of some calls."""
        found: list[tuple[float, float]] = []
        for _ in range(times):
            used, begun = self._processor(), time.perf_counter()
            part()
            seconds = time.perf_counter() - begun
            time.sleep(0.2)  # processes of the server count when they have ended
            found.append((seconds, self._processor() - used))
        return min(seconds for seconds, _ in found), min(used for _, used in found)

    def _processor(self) -> float:
        ticks = sum(map(int, Path(f"/proc/{self._leader}/stat").read_text().rpartition(")")[2].split()[13:15]))
        return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def measure(folder: Path, accounts: int, night_of: date, oldest: date) -> dict[str, tuple[float, float]]:
    """Every part, at noon after the night of a day that is not filled."""
    ctx, watch = place(folder, night_of + timedelta(days=1)), Watch(folder)
    ids = [f"a{number:05d}" for number in range(accounts)]
    reading = {
        "status of a day": day_status,
        "first page": first_page,
        "month page": month_page,
        "search by number": search,
        "problems": problems,
        "searches for work": nothing_due,
    }
    found = {name: watch.best(lambda part=part: part(ctx, ids), REPEATS) for name, part in reading.items()}
    found["night"] = watch.best(lambda: night(ctx, night_of), 1)
    found["retention of a month"] = watch.best(lambda: retention(ctx, oldest), 1)
    return found


def main() -> None:
    """Fills the months and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--records", type=int, default=10, help="records of an account and day")
    parser.add_argument("--keys", type=int, default=6_000_000, help="keys without records, in all")
    asked = parser.parse_args()
    each = asked.keys // (asked.accounts * asked.days)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            server, ctx = workplace_of(folder)
            with ctx.ledger() as ledger:
                for number in range(asked.accounts):
                    ledger.accounts.add(Account(f"a{number:05d}"), now=datetime(2025, 1, 1, tzinfo=UTC))
            end = FIRST + timedelta(days=asked.days - 1)
            months = [FIRST]
            while next_month(months[-1]) <= end:
                months.append(next_month(months[-1]))
            tables: list[dict[str, tuple[float, float]]] = []
            # After the second month, so that there is an older one to remove, and after the last one.
            for number, first in enumerate(months, start=1):
                last = min(next_month(first) - timedelta(days=1), end)
                is_measured = number in (2, len(months))
                filled = last - timedelta(days=1) if is_measured else last
                fill_month(server.url, first, filled, accounts=asked.accounts, records=asked.records, keys=each)
                if is_measured:
                    tables.append(measure(folder, asked.accounts, last, months[len(tables)]))
            with ctx.ledger() as ledger:
                ((size,),) = ledger.connection.execute("SELECT pg_database_size(current_database())").fetchall()
            print(f"{asked.accounts:,} accounts, {asked.days} days, {size / 2**30:.1f} GB")
            for part, (seconds, used) in tables[0].items():
                later, more = tables[1][part]
                print(
                    f"{part:24s} {seconds:8.3f} s {later:8.3f} s   processor {used:7.2f} s {more:7.2f} s"
                    f" {more / max(used, 0.01):6.2f}"
                )
        finally:
            EmbeddedServer(folder / "warehouse").destroy()


if __name__ == "__main__":
    main()
