"""Daily files next to the server's own COPY of the same rows: one large account at three sizes, and many small ones.

The sizes show whether memory grows; COPY runs before and after, and the better of both is the limit. The smallest one
is also exported in other dialects, and the days of the small accounts are sealed and delivered to a folder.

Usage: python tests/benchmarks/export.py [--rows 2000000] [--accounts 1000] [--account-rows 2000]
"""

import argparse
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

from measuring import line, measured
from psycopg import sql

from cdr_pipeline.core.fields.dictionary import names
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.days.deliver_files import DeliverRequest, deliver_files
from cdr_pipeline.steps.days.export_days import ExportedDay, ExportRequest, export_days
from cdr_pipeline.steps.days.seal_days import Override, SealRequest, seal_days
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer

DAY = date(2026, 3, 2)
SHARES = (16, 4, 1)
DIALECTS = ("spreadsheet", "parquet", "xlsx")
# A record of realistic width, made by the server: about 600 bytes a line.
MADE = """
    INSERT INTO cdr_y2026m03 (
        account_id, origin, record_id, business_date, call_id, other_leg_call_id, interaction_id, call_direction,
        started_at, answered_at, ended_at, duration_seconds, billing_seconds, answered, hangup_cause, caller_id_name,
        caller_id_number, caller_e164, callee_id_number, callee_e164, dialed_number, to_uri, from_uri, to_host,
        from_host, sip_to, sip_from, sip_request, user_agent, owner_id, authorizing_id, realm, cost, cost_currency,
        rate, rate_name, call_type, media_server, extra, has_detail, list_digest, row_digest, batch_id, source_line,
        changed_at
    )
    SELECT
        'a' || lpad((n / {rows})::text, 5, '0'), 'api', '202603-' || md5(n::text), '2026-03-02',
        md5(n::text) || '@host',
        md5((n + 1)::text) || '@host', n::text || '-' || left(md5(n::text), 8),
        CASE n % 2 WHEN 0 THEN 'inbound' ELSE 'outbound' END, moment, moment + interval '4 seconds',
        moment + make_interval(secs => n % 600), n % 600, n % 590, n % 590 > 0, 'NORMAL_CLEARING',
        'Caller ' || n % 1000, '+1555010' || lpad((n % 10000)::text, 4, '0'),
        '+1555010' || lpad((n % 10000)::text, 4, '0'), '5550100', '+15550100000', '5550100',
        'sip:5550100@pbx.example.com', 'sip:user' || n % 100 || '@pbx.example.com', 'pbx.example.com',
        'pbx.example.com', '5550100@pbx.example.com', 'user' || n % 100 || '@pbx.example.com',
        '5550100@pbx.example.com', 'Phone/1.2.3', md5((n % 100)::text), md5((n % 200)::text), 'pbx.example.com',
        (n % 1000)::numeric / 10000, 'USD', 0.01, 'domestic', 'per_minute', 'media1.example.com', '{{}}', false,
        md5(n::text), md5(n::text), gen_random_uuid(), n, now()
    FROM (
        SELECT n, timestamptz '2026-03-02 00:00:00+00' + (n % 86400) * interval '1 second' AS moment
        FROM generate_series({first}, {last}) AS n
    ) AS numbered
"""


def filled(folder: str, accounts: int, rows: int) -> RunContext:
    """A place with its own warehouse of so many accounts with so many rows each."""
    ctx = _place(folder)
    with ctx.ledger() as ledger:
        # Indexes are built once at the end, which is much quicker than keeping them.
        ledger.connection.execute("CREATE TABLE cdr_y2026m03 (LIKE cdr INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        ledger.connection.execute("SET maintenance_work_mem = '256MB'")
        step = 500_000
        for first in range(0, accounts * rows, step):
            last = min(first + step, accounts * rows) - 1
            ledger.connection.execute(
                sql.SQL(MADE).format(rows=sql.Literal(rows), first=sql.Literal(first), last=sql.Literal(last))
            )
        ledger.connection.execute(
            "ALTER TABLE cdr ATTACH PARTITION cdr_y2026m03 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')"
        )
        ledger.connection.execute("VACUUM ANALYZE cdr_y2026m03")
        for number in range(accounts):
            ledger.accounts.add(Account(f"a{number:05d}"), now=ctx.clock())
    return ctx


def server_alone(folder: str) -> int:
    """COPY of the same rows in the same order, account by account, thrown away; bytes."""
    ctx, size = _place(folder), 0
    columns = sql.SQL(", ").join(map(sql.Identifier, names(exported_only=True)))
    with ctx.ledger() as ledger:
        for account in ledger.accounts.active():
            query = sql.SQL(
                "COPY (SELECT {} FROM cdr_merged WHERE account_id = {} AND business_date = {}"
                ' ORDER BY started_at, origin COLLATE "C", record_id COLLATE "C") TO STDOUT (FORMAT csv)'
            ).format(columns, sql.Literal(account.account_id), sql.Literal(DAY))
            with ledger.connection.cursor().copy(query) as copy:
                for row in copy:
                    size += len(row)
    return size


def export(folder: str) -> int:
    """The step ``export_days``: files, hashes, totals, manifests, fsync; rows."""
    return _rows(export_days(ExportRequest([DAY]), _place(folder)))


def _rows(days: list[ExportedDay]) -> int:
    assert all(day.file for day in days), days[0].failure
    return sum(day.file.rows for day in days if day.file)


def export_with(dialect: str, folder: str) -> int:
    """The same with files of another dialect; rows."""
    return _rows(export_days(ExportRequest([DAY]), _place(folder, f"exact,{dialect}")))


def seal(folder: str) -> int:
    """Seals the exported days; days."""
    sealed = seal_days(
        SealRequest([DAY], override=Override("benchmark", "not collected, made by the server")), _place(folder)
    )
    assert {day.outcome for day in sealed} == {"sealed"}, sealed[0]
    return len(sealed)


def deliver(folder: str) -> int:
    """Delivers the sealed files to a folder; files."""
    ctx = _place(folder)
    ctx.settings.targets_file.write_text(f'[finance]\nurl = "{folder}/delivered"\n')
    delivered = deliver_files(DeliverRequest(), ctx)
    assert {file.outcome for file in delivered} == {"delivered"}, delivered[0]
    return len(delivered)


def _place(folder: str, dialects: str = "exact") -> RunContext:
    return RunContext.open(
        Settings(data_dir=Path(folder), export_dialects=dialects).model_copy(
            update={"clock_tolerance_seconds": float("inf")}
        ),
        clock=lambda: datetime(2026, 3, 4, tzinfo=UTC),
    )


def compared(accounts: int, rows: int, *, dialects: bool = False, sealed: bool = False) -> None:
    """Lines of the table: the limit, and the step; then other dialects, or the steps after it."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            filled(folder, accounts, rows)
            before = measured(server_alone, folder)
            exported = measured(export, folder)
            copied = min(before, measured(server_alone, folder), key=lambda part: part.seconds)
            best = accounts * rows / copied.seconds
            title = f"{accounts:,} x {rows:,}, {copied.result / 2**20:,.0f} MB"
            print(line(f"limit: COPY, {title}", accounts * rows, copied, best), flush=True)
            print(line(f"export_days, {title}", exported.result, exported, best), flush=True)
            for dialect in DIALECTS if dialects else ():
                written = measured(export_with, dialect, folder)
                print(line(f"export_days with {dialect}", written.result, written, best), flush=True)
            for step in (seal, deliver) if sealed else ():
                done = measured(step, folder)
                row = line(f"{step.__name__}, days of {accounts:,} accounts", done.result, done)
                print(f"{row}  {done.processor_seconds:.2f} s", flush=True)
        finally:
            EmbeddedServer(Path(folder) / "warehouse").destroy()


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--account-rows", type=int, default=2_000)
    asked = parser.parse_args()
    for share in SHARES:
        compared(1, asked.rows // share, dialects=share == max(SHARES))
    compared(asked.accounts, asked.account_rows, sealed=True)


if __name__ == "__main__":
    main()
