"""Benchmark ``collect``: pages over loopback HTTP to normalised frames, beside downloading and parsing the same bytes.

    python tests/benchmarks/collect.py [--rows 1000000] [--page-size 500]

The limit is one connection, httpx2, and orjson on every body. Ours is the step itself: claims, pace, verification of
each page, landing with hash and compression, and then the landed pages normalised and validated. The last lines show
many accounts at once.
"""

import argparse
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import httpx2
import orjson
from measuring import line, measured
from served_pages import served_pages

from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.landing import LandingFile
from cdr_pipeline.sources.upstream_registry import upstream_named
from cdr_pipeline.steps.collect.collect_day import CollectRequest, collect_day
from cdr_pipeline.steps.collect.load_day import normalized_chunks
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer

DAY = date(2026, 3, 2)
LATEST = datetime(2027, 1, 1, tzinfo=UTC)


def download_and_parse(url: str) -> int:
    """The limit: every page fetched and parsed by the fastest library, nothing else."""
    rows, key = 0, "0"
    with httpx2.Client() as client:
        while key is not None:
            page = orjson.loads(client.get(f"{url}/v2/accounts/a/cdrs", params={"start_key": key}).content)
            rows += len(page["data"])
            key = page.get("next_start_key")
    return rows


def workplace(folder: str, url: str, concurrency: int) -> RunContext:
    """A place with its own embedded warehouse."""
    settings = Settings(
        data_dir=Path(folder), api_url=url, api_token="t" * 32, api_dialect="k5", api_page_size=10_000,
        api_requests_per_second=10_000, api_host_requests_per_second=100_000, collect_concurrency=concurrency,
        collect_overlap_hours=0,
    )  # fmt: skip
    return RunContext.open(
        settings.model_copy(update={"clock_tolerance_seconds": float("inf")}),
        clock=lambda: datetime(2026, 3, 4, tzinfo=UTC),
    )


def prepare(folder: str, url: str, accounts: int) -> None:
    """Starts the warehouse and makes the accounts known, once for all nights."""
    ctx = workplace(folder, url, 1)
    with ctx.ledger() as ledger:
        for number in range(accounts):
            ledger.accounts.add(Account(f"a{number:04d}"), now=ctx.clock())


def collect(folder: str, url: str, concurrency: int) -> int:
    """The step ``collect_day``."""
    ctx = workplace(folder, url, concurrency)
    collected = collect_day(CollectRequest(DAY), ctx)
    assert not collected.failures, collected.failures[0]
    return sum(part.rows for part in collected.accounts)


def normalise(folder: str) -> int:
    """What the load does with landed pages before it stages them."""
    rows, kazoo = 0, upstream_named("kazoo", Settings(data_dir=Path(folder)))
    for path in sorted(Path(folder).glob("landing/api/*/*/*/*/*.pages.gz")):
        landing = LandingFile.open(path)
        for chunk in normalized_chunks(landing, kazoo, Account("a0000"), NumberPlan("1"), latest=LATEST):
            assert chunk.rejects.is_empty(), chunk.rejects["reason"][0]
            rows += chunk.rows.height
    return rows


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--page-size", type=int, default=500)
    asked = parser.parse_args()
    print(f"{asked.rows:,} rows in pages of {asked.page_size}")
    with served_pages(asked.rows, asked.page_size) as url, tempfile.TemporaryDirectory() as folder:
        limit = measured(download_and_parse, url)
        rows = limit.result
        best = rows / limit.seconds
        print(line("limit: download, orjson", rows, limit, best))
        prepare(folder, url, 1)
        collected = measured(collect, folder, url, 1)
        print(line("collect: download, verify, land", collected.result, collected, best))
        frames = measured(normalise, folder)
        print(line("landing to normalised, validated frames", frames.result, frames, best))
        both = rows / (collected.seconds + frames.seconds)
        print(f"{'both, one after the other':44s} {'':10s} {both:11,.0f} rows/s {'':11s} {both / best:8.2f}")
        EmbeddedServer(Path(folder) / "warehouse").destroy()
    with served_pages(asked.rows // 200, asked.page_size) as url, tempfile.TemporaryDirectory() as folder:
        prepare(folder, url, 200)
        many = measured(collect, folder, url, 8)
        print(line("collect: 200 accounts, 8 at once", many.result, many, best))
        EmbeddedServer(Path(folder) / "warehouse").destroy()


if __name__ == "__main__":
    main()
