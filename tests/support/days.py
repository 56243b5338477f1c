"""Days of one account in a warehouse: records delivered, the day collected, exported, sealed."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import polars as pl

from cdr_pipeline.core.records.volume import Volume
from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.exports.manifest import Manifest, read_manifest
from cdr_pipeline.steps.days.export_days import ExportedDay, ExportRequest, export_days
from cdr_pipeline.steps.days.restate_days import RestatedDay, RestateRequest, restate_days
from cdr_pipeline.steps.days.seal_days import Override, SealedDay, SealRequest, seal_days
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, CompleteDay
from cdr_pipeline.warehouse.records.batch import BatchHeader
from cdr_pipeline.warehouse.records.loading import BatchLoad, batch_load
from tests.support.records import rows

ACCOUNT = "acct"
DAY = date(2026, 3, 2)
PERSON = Override("A. Controller", "checked by hand")


def later(ctx: RunContext, **more: float) -> RunContext:
    """The same place some time later."""
    now = ctx.clock() + timedelta(**more)
    return replace(ctx, clock=lambda: now)


def collected(ctx: RunContext, day: date = DAY, *, volume: Literal["usual", "thin", "empty"] = "usual") -> None:
    """The account is known, and its day was collected whole."""
    with ctx.ledger() as ledger:
        ledger.accounts.add(Account(ACCOUNT, time_zone="Europe/Berlin"), now=ctx.clock())
        complete = CompleteDay(ACCOUNT, day, day_bounds(day, "Europe/Berlin")[1], Volume(0, None, volume))
        ledger.days.record_collected([complete], now=ctx.clock())


@contextmanager
def loading(
    ctx: RunContext, *changes: dict[str, Any], kind: Literal["window", "upload"] = "window"
) -> Generator[BatchLoad]:
    """A load of records that is not finished yet."""
    origin = "api" if kind == "window" else "imported"
    frame = rows(*({"origin": origin} | change for change in changes))
    if "record_id" in {name for change in changes for name in change}:
        frame = frame.with_columns(pl.Series("record_id", [change["record_id"] for change in changes]))
    header = BatchHeader(ACCOUNT, uuid4(), kind, f"source-{uuid4()}", ctx.clock(), DAY)
    with ctx.ledger() as ledger, batch_load(ledger.connection, header) as load:
        load.stage(frame)
        yield load
        load.finish(read=frame.height)


def deliver(ctx: RunContext, *changes: dict[str, Any], kind: Literal["window", "upload"] = "window") -> None:
    """Loads records."""
    with loading(ctx, *changes, kind=kind):
        pass


def export(ctx: RunContext, day: date = DAY) -> ExportedDay:
    """The day's files."""
    (exported,) = export_days(ExportRequest([day], [ACCOUNT], changed_days=False), ctx)
    return exported


def seal(ctx: RunContext, override: Override | None = None, day: date = DAY) -> SealedDay:
    """Seals the day."""
    (sealed,) = seal_days(SealRequest([day], [ACCOUNT], override), ctx)
    return sealed


def restate(ctx: RunContext) -> RestatedDay:
    """Restates the day."""
    (restated,) = restate_days(RestateRequest("A. Controller", "late file of a carrier", accounts=[ACCOUNT]), ctx)
    return restated


def state(ctx: RunContext, day: date = DAY) -> str:
    """What ``days list`` says of the day."""
    with ctx.ledger() as ledger:
        (line,) = ledger.day_states.lines([ACCOUNT], day, day)
    return line.state


def manifest(path: Path) -> Manifest:
    """What is announced of a file."""
    return read_manifest(path.with_name(f"{path.name}.manifest.json"))


def files(ctx: RunContext) -> dict[str, tuple[bytes, int]]:
    """Content and mode of every file of the exports."""
    return {
        str(path.relative_to(ctx.settings.export_dir)): (path.read_bytes(), path.stat().st_mode)
        for path in sorted(ctx.settings.export_dir.rglob("*"))
        if path.is_file()
    }


def start(hour: int = 9) -> datetime:
    """An instant of the day."""
    return datetime(2026, 3, 2, hour, tzinfo=UTC)
