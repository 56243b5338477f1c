"""Windows landed from the raw JSON of their rows, for values that no simulated switch would send."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.sources.kazoo.pages import parse_page
from cdr_pipeline.sources.landing import LandingWriter, window_path
from cdr_pipeline.sources.upstream import Window
from cdr_pipeline.steps.collect.load_day import LoadedDay, LoadRequest, load_day
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, LandedWindow
from tests.support.nights import DAY

# 2026-03-02 09:30 UTC, in the seconds that the switch counts.
TICKS = 63_939_663_000


def list_row(number: int, more: str = "") -> str:
    """A row of the switch's list as JSON; ``more`` is further members."""
    return (
        f'{{"id":"r{number}","call_id":"c{number}","timestamp":"{TICKS + number}","duration_seconds":"30",'
        f'"billing_seconds":"20"{"," if more else ""}{more}}}'
    )


def loaded_rows(
    ctx: RunContext, rows: Sequence[str], details: Sequence[str] = (), account_id: str = "acct"
) -> LoadedDay:
    """Lands a day of an account as one window of one page, and loads it."""
    land_rows(ctx, rows, details, account_id)
    return load_day(LoadRequest(DAY, [account_id]), ctx)


def land_rows(ctx: RunContext, rows: Sequence[str], details: Sequence[str] = (), account_id: str = "acct") -> Path:
    """Lands a day of an account as one window of one page; returns its landing file."""
    first, end = day_bounds(DAY, "UTC")
    window = Window(first, end + timedelta(hours=1))
    path = window_path(ctx.settings.landing_dir, account_id, window, ctx.clock())
    body = f'{{"data":[{",".join(rows)}],"page_size":{len(rows)},"status":"success"}}'.encode()
    dialect = SwitchDialect.V2_K43
    with LandingWriter(path, account_id=account_id, window=window, upstream="kazoo", dialect=dialect) as writer:
        writer.add_page(body, parse_page(body))
        for detail in details:
            writer.add_detail(f'{{"data":{detail},"status":"success"}}'.encode())
    with ctx.ledger() as ledger:
        ledger.accounts.add(Account(account_id, time_zone="UTC"), now=ctx.clock())
        claim = ledger.windows.claim(account_id, DAY, lease_seconds=60)
        assert claim is not None
        landed = LandedWindow(
            window.starts_at,
            window.ends_at,
            dialect.value,
            str(path.relative_to(ctx.settings.landing_dir)),
            ctx.clock(),
        )
        ledger.windows.record_landed(claim=claim, window=landed, rows=len(rows), content_sha256=writer.rows_sha256)
        ledger.windows.release(claim)
    return path
