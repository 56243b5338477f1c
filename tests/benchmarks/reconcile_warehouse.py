"""Benchmark ``reconcile_warehouse``: a carrier's day out of the warehouse, compared, and kept with its links.

    python tests/benchmarks/reconcile_warehouse.py [--calls 100000] [--url postgresql://...]

The limit is the comparison alone, of the same frames in memory: what is above it is reading, outcomes and writing. The
second line reconciles the day again with one record more, the third with nothing new. An empty database of a server or
of a cluster can take the place of the embedded one; on a cluster the tables are distributed first.
"""

import argparse
import os
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[2]))

import polars as pl
from measuring import Measured, line, measured

from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.reconciliation.reconcile_day import ReconcileRequest, reconcile_day
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import load_uploads
from cdr_pipeline.steps.uploads.register_uploads import register_dropped_files
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import batch_load
from cdr_pipeline.warehouse.server.cluster import distribute, is_cluster
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from cdr_pipeline.warehouse.server.engine import connect
from cdr_pipeline.warehouse.server.migrate import upgrade
from tests.support.records import rows

ACCOUNT = "acct"
DAY = date(2026, 3, 2)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
HEADER = "id,call_id,caller,callee,start_time,answer_time,duration_seconds,billing_seconds,cost,currency,carrier"


# The warehouse of the child processes too, which inherit it.
URL = "CDR_BENCHMARK_WAREHOUSE_URL"


def place(folder: str) -> RunContext:
    """A workplace with its data below a folder; its warehouse is embedded, or the one that ``--url`` names."""
    return RunContext.open(
        Settings(data_dir=Path(folder) / "data", DAGSTER_HOME=Path(folder) / "dagster_home",
                 api_url="http://127.0.0.1:9", api_token="t" * 32, first_date="2026-03-01",
                 warehouse_url=os.environ.get(URL))
    )  # fmt: skip


def prepare(folder: str, calls: int) -> None:
    """Loads a day's legs and the carrier's records; every hundredth record lacks its leg, every fiftieth costs more."""
    ctx = place(folder)
    base = rows({"record_id": "s", "business_date": DAY, "call_direction": "outbound", "answered": True,
                 "duration_seconds": Decimal(60), "billing_seconds": Decimal(60), "cost": Decimal("0.10"),
                 "cost_currency": "USD", "caller_id_number": "+442079460001", "caller_e164": "+442079460001",
                 "started_at": MIDNIGHT})  # fmt: skip
    number = pl.int_range(0, calls, eager=True).alias("number")
    began = pl.lit(MIDNIGHT) + pl.duration(milliseconds=pl.col("number") * (86_000_000 // calls))
    made = base.select(pl.all().repeat_by(calls).explode()).with_columns(number).with_columns(
        pl.format("leg-{}", "number").alias("record_id"),
        pl.format("call-{}", "number").alias("call_id"),
        *(began.cast(base.schema["started_at"]).alias(name) for name in ("started_at", "answered_at")),
        *(pl.format("+4477{}", pl.col("number").cast(pl.String).str.zfill(8)).alias(name)
          for name in ("callee_id_number", "callee_e164")),
    )  # fmt: skip
    with ctx.ledger() as ledger:
        ledger.accounts.add(Account(ACCOUNT), now=MIDNIGHT)
        header = BatchHeader(ACCOUNT, uuid4(), "window", "w", now=MIDNIGHT, business_date=DAY)
        with batch_load(ledger.connection, header) as load:
            load.stage(made.filter(pl.col("number") % 100 != 0).select(base.columns))
            load.finish(read=load.staged)
    text = made.select(
        pl.concat_str(
            pl.format("rec-{},", "number"), pl.lit(",+442079460001,"), "callee_e164",
            pl.col("started_at").dt.strftime(",%Y-%m-%dT%H:%M:%SZ,%Y-%m-%dT%H:%M:%SZ,60,60,"),
            pl.when(pl.col("number") % 50 == 1).then(pl.lit("0.12")).otherwise(pl.lit("0.10")), pl.lit(",USD,bell"),
        )
    )  # fmt: skip
    deliver(ctx, "day.csv", "\n".join([HEADER, *text.to_series().to_list()]) + "\n")


def deliver(ctx: RunContext, name: str, content: str) -> None:
    """A file of the carrier, loaded."""
    folder = ctx.settings.upload_dir / ACCOUNT / "generic"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    # A file that is still warm may not be whole yet, and would be left for the next run.
    os.utime(folder / name, (0, 0))
    register_dropped_files(ctx)
    loaded = load_uploads(ctx)
    assert not loaded.failures, loaded.failures[0]


def one_more(folder: str) -> None:
    """One more record of the carrier."""
    line = "more,,+442079460001,+447799999999,2026-03-02T12:00:00Z,2026-03-02T12:00:00Z,60,60,0.10,USD,bell"
    deliver(place(folder), "more.csv", f"{HEADER}\n{line}\n")


def compared(folder: str) -> tuple[int, float]:
    """Reconciles the day; breaks and processor seconds of this process."""
    ctx = place(folder)
    used = time.process_time()
    done = reconcile_day(ReconcileRequest(DAY), ctx)
    assert not done.failures, done.failures[0]
    (item,) = done.carriers
    return item.kept.version.breaks, time.process_time() - used


def alone(folder: str) -> tuple[int, float]:
    """The limit: reading aside, the matcher on the same records."""
    from cdr_pipeline.core.reconcile.inputs.carrier_rules import CarrierRules, matching_rules  # noqa: PLC0415 - only here
    from cdr_pipeline.core.reconcile.inputs.rates import Increment  # noqa: PLC0415
    from cdr_pipeline.core.reconcile.inputs.sides import carrier_side, switch_side  # noqa: PLC0415
    from cdr_pipeline.core.reconcile.reconcile import reconcile  # noqa: PLC0415
    from cdr_pipeline.warehouse.reconciliation.versions import CarrierDay, TimeRange  # noqa: PLC0415

    far = timedelta(days=2)
    span = TimeRange(MIDNIGHT - far, MIDNIGHT + far, DAY - far, DAY + far)
    with place(folder).ledger() as ledger:
        legs, records = ledger.versions.compared_records(CarrierDay(ACCOUNT, "bell", DAY), span)
    rules = matching_rules(CarrierRules(), increment=Increment(), currency="USD", precision="second")
    ours, theirs = switch_side(legs), carrier_side(records)
    begun, used = time.perf_counter(), time.process_time()
    reconcile(ours, theirs, rules)
    print(f"  of which the comparison alone {time.perf_counter() - begun:.1f} s", flush=True)
    return legs.height, time.process_time() - used


def _line(name: str, part: Measured, calls: int) -> None:
    print(f"{line(name, calls, part)}  {part.result[1]:.1f} s of processor here", flush=True)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--url", help="URL of an empty database; without it an embedded warehouse")
    given = parser.parse_args()
    calls = given.calls
    if given.url:
        os.environ[URL] = given.url
        upgrade(given.url)
        with connect(given.url) as connection:
            if is_cluster(connection):
                distribute(connection)
    with tempfile.TemporaryDirectory() as folder:
        try:
            measured(prepare, folder, calls)
            _line("limit: read and compared, nothing kept", measured(alone, folder), calls)
            _line("a day: read, compared, kept, linked", measured(compared, folder), calls)
            measured(one_more, folder)
            _line("again with one record more", measured(compared, folder), calls)
            _line("again with nothing new", measured(compared, folder), calls)
        finally:
            EmbeddedServer(place(folder).settings.data_dir / "warehouse").destroy()


if __name__ == "__main__":
    main()
