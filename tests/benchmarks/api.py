"""Benchmark ``api``: pages, filters, details, whole periods as CSV, many clients, uploads, over a large warehouse.

    python tests/benchmarks/api.py [--rows 1000000] [--keep FOLDER | --use FOLDER]

``--keep`` leaves the filled warehouse in the folder, ``--use`` measures one that is there. Every part stands beside the
same statement by psycopg without a web server. The crowd of clients is a process of its own.
"""

import argparse
import http.client
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString
from uuid import uuid4

import httpx2
import psutil
import psycopg
from filled_warehouse import ACCOUNTS, DAYS, FIRST, LARGE, Filling, fill, workplace_of
from measuring import measured
from psycopg import sql

from cdr_pipeline.api.filters.conditions import conditions_of
from cdr_pipeline.api.times import instant
from cdr_pipeline.core.records.search import InstantRange, Search
from cdr_pipeline.steps.accounts.api_tokens import TokenRequest, create_token
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.records.search import (
    _composed,  # pyright: ignore[reportPrivateUsage]
    is_read_in_order,
)
from cdr_pipeline.warehouse.statements import statement

PORT = 18_733
OVERLOADED = (http.HTTPStatus.SERVICE_UNAVAILABLE, http.HTTPStatus.GATEWAY_TIMEOUT)
CLIENTS = 100
PAGES_EACH = 20
DIRECT_CLIENTS = 16
CSV_ROWS = 1_000_000
UPLOADED = 100_000
# A kind of page is asked for so often, or as often as fits into so many seconds.
MOST_REQUESTS = 100
MOST_SECONDS = 6.0
MONTH = {"created_from": "2026-02-01T00:00:00Z", "created_to": "2026-02-28T23:59:59Z"}


def main() -> None:
    """Fills where needed, measures, takes away what nobody wants to keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--keep", type=Path, metavar="FOLDER")
    kept.add_argument("--use", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)
        folder = (asked.use or asked.keep or Path(scratch)).absolute()
        if asked.use is None:
            begun = time.perf_counter()
            fill(folder, Filling(asked.rows))
            print(f"{asked.rows:,} rows made in {time.perf_counter() - begun:.0f} s")
        server, ctx = workplace_of(folder)
        try:
            token = create_token(TokenRequest("a0", "upload", "bench", 1), ctx).token
            with psycopg.connect(server.url, autocommit=True) as connection:
                rows = one(
                    connection, "SELECT sum(reltuples) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'cdr_y%'"
                )
                print(f"{int(rows):,} rows, {ACCOUNTS} accounts, half of all in one, {DAYS} days")
                warehouse = next((folder / "warehouse").rglob("postmaster.pid")).read_text("utf-8").split()[0]
                with serving(server.url, folder, workers=1) as process:
                    pages(connection, token)
                    crowd(server.url, token, process.pid, int(warehouse), workers=1)
                    download(connection, token, process, rows)
                    upload(connection, token)
                with serving(server.url, folder, workers=2) as process:
                    crowd(server.url, token, process.pid, int(warehouse), workers=2)
        finally:
            server.stop()
            if asked.use is None and asked.keep is None:
                server.destroy()


def pages(connection: psycopg.Connection[Any], token: str) -> None:
    """Pages of every kind and details, one client."""
    day = {"created_from": "2026-02-10T00:00:00Z", "created_to": "2026-02-10T23:59:59Z"}
    number, record, interaction = connection.execute(
        "SELECT caller_e164, record_id, interaction_id FROM cdr WHERE account_id = %s AND origin = 'api'"
        " AND business_date = '2026-02-10' LIMIT 1 OFFSET 99",
        [LARGE],
    ).fetchone() or ("", "", "")
    kinds: dict[str, dict[str, str]] = {
        "account and day": day,
        "business_date": {"business_date": "2026-02-10"},
        "a month": MONTH,
        "filter_hangup_cause": MONTH | {"filter_hangup_cause": "USER_BUSY"},
        "from (a number)": MONTH | {"from": number},
        "prefix +493000": MONTH | {"prefix": "+493000"},
        "area_code 212": MONTH | {"area_code": "212"},
        "ip 10.7.7.0/24": MONTH | {"ip": "10.7.7.0/24"},
        "rtp 198.51.7.7": MONTH | {"rtp": "198.51.7.7"},
        "sip carrier.example": MONTH | {"sip": "carrier.example"},
        "customer u7": MONTH | {"customer": "u7"},
        "min_duration 590": MONTH | {"min_duration": "590"},
        "origin api+imported": MONTH | {"origin": "api+imported"},
        "search caller 77": MONTH | {"search": "caller 77"},
    }
    print(f"\n{'one client':44s} {'p50 ms':>8s} {'p99 ms':>8s} {'psycopg p50':>12s}")
    with httpx2.Client(base_url=f"http://127.0.0.1:{PORT}", headers={"X-Auth-Token": token}, timeout=60) as client:
        for name, query in kinds.items():
            found, bound = page_statement(connection, query)
            direct = timed(lambda found=found, bound=bound: connection.execute(found, bound).fetchall())
            path = f"/v2/accounts/{LARGE}/cdrs"
            show(f"page of 50, {name}", timed(lambda query=query, path=path: ask(client, path, query)), direct)
        connection.execute("RESET enable_sort")
        for name, path, text, bound in (
            ("detail", f"/cdrs/{record}", "records/record", {"record_id": record}),
            ("legs of a call", f"/cdrs/legs/{interaction}", "records/legs",
             {"identity": interaction, "row_limit": 1000}),
        ):  # fmt: skip
            values = bound | {"account_id": LARGE}
            direct = timed(lambda text=text, values=values: connection.execute(statement(text), values).fetchall())
            show(name, timed(lambda path=path: ask(client, f"/v2/accounts/{LARGE}{path}", {})), direct)


def ask(client: httpx2.Client, path: str, query: dict[str, str]) -> None:
    """One request."""
    client.get(path, params=query).raise_for_status()


def show(name: str, served: list[float], direct: list[float]) -> None:
    """A line of the table."""
    print(f"{name:44s} {_p(served, 50):8.1f} {_p(served, 99):8.1f} {_p(direct, 50):12.1f}", flush=True)


def processor_seconds(pid: int) -> float:
    """Processor seconds of a process and of those that it has started, ended ones included."""
    process = psutil.Process(pid)
    return sum(sum(item.cpu_times()[:4]) for item in (process, *process.children(recursive=True)))


def crowd(url: str, token: str, api: int, warehouse: int, *, workers: int) -> None:
    """A hundred clients that ask for pages one after the other; beside them, connections without a web server."""
    used = [processor_seconds(pid) for pid in (api, warehouse)]
    served = measured(ask_together, token)
    used = [processor_seconds(pid) - before for pid, before in zip((api, warehouse), used, strict=True)]
    times: list[float]
    times, refused = served.result
    print(f"\n{CLIENTS} clients, pages of 50, workers {workers}: {len(times) / served.seconds:.0f} pages/s,"
          f" p50 {_p(times, 50):.0f} ms, p99 {_p(times, 99):.0f} ms, {refused} turned away", flush=True)  # fmt: skip
    spent = [seconds / len(times) * 1000 for seconds in (*used, served.processor_seconds)]
    print("processor ms of a page: API {:.1f}, PostgreSQL {:.1f}, clients {:.1f}".format(*spent), flush=True)
    direct = measured(query_together, url)
    times = direct.result
    print(f"{DIRECT_CLIENTS} connections by psycopg: {len(times) / direct.seconds:.0f} pages/s,"
          f" p50 {_p(times, 50):.0f} ms, p99 {_p(times, 99):.0f} ms", flush=True)  # fmt: skip


def ask_together(token: str) -> tuple[list[float], int]:
    """Seconds of every page that all clients asked for, and how many of them were refused for want of time."""
    refused = [0]

    def ask(seed: int) -> list[float]:
        chance = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)

        def page() -> None:
            account, query = any_page(chance)
            text = "&".join(f"{name}={value}" for name, value in query.items())
            connection.request("GET", f"/v2/accounts/{account}/cdrs?{text}", headers={"X-Auth-Token": token})
            answer = connection.getresponse()
            answer.read()
            # Who waits too long for a free connection of the warehouse, or for the search itself, is told so.
            assert answer.status in (http.HTTPStatus.OK, *OVERLOADED), answer.status
            refused[0] += answer.status in OVERLOADED

        return timed(page, PAGES_EACH, seconds=60)

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [seconds for times in pool.map(ask, range(CLIENTS)) for seconds in times], refused[0]


def query_together(url: str) -> list[float]:
    """Seconds of every page that all connections asked for."""

    def ask(seed: int) -> list[float]:
        chance = random.Random(seed)
        with psycopg.connect(url, autocommit=True) as connection:

            def page() -> None:
                account, query = any_page(chance)
                found, bound = page_statement(connection, query, account)
                connection.execute(found, bound).fetchall()

            return timed(page, CLIENTS * PAGES_EACH // DIRECT_CLIENTS, seconds=30)

    with ThreadPoolExecutor(DIRECT_CLIENTS) as pool:
        return [seconds for times in pool.map(ask, range(DIRECT_CLIENTS)) for seconds in times]


def any_page(chance: random.Random) -> tuple[str, dict[str, str]]:
    """An account and the query of one of its days."""
    day = FIRST + timedelta(chance.randrange(DAYS))
    return f"a{chance.randrange(ACCOUNTS)}", {
        "created_from": f"{day}T00:00:00Z", "created_to": f"{day}T23:59:59Z"
    }  # fmt: skip


def download(connection: psycopg.Connection[Any], token: str, process: subprocess.Popen[bytes], rows: float) -> None:
    """Days of the large account as CSV, beside COPY without a web server: of the same statement, and of the table."""
    days = max(1, min(28, round(CSV_ROWS / (rows / 2 / DAYS * 0.95))))
    last = date(2026, 2, 1) + timedelta(days - 1)
    period = {"created_from": "2026-02-01T00:00:00Z", "created_to": f"{last}T23:59:59Z"}
    watched, peak, done = psutil.Process(process.pid), [0, 0], threading.Event()

    def watch() -> None:
        peak[0] = watched.memory_info().rss
        while not done.wait(0.05):
            peak[1] = max(peak[1], watched.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    lines = size = 0
    headers = {"X-Auth-Token": token, "Accept": "text/csv"}
    begun = time.perf_counter()
    client = httpx2.Client(base_url=f"http://127.0.0.1:{PORT}", headers=headers, timeout=600)
    with client, client.stream("GET", f"/v2/accounts/{LARGE}/cdrs", params=period) as answer:
        for piece in answer.iter_raw():
            lines += piece.count(b"\n")
            size += len(piece)
    seconds = time.perf_counter() - begun
    done.set()
    watcher.join()
    query, bound = _composed("records/stream_csv", searched(period), None)
    same = copied(connection, query, bound.values | {"utc_offset": 0})
    raw = sql.SQL(
        "COPY (SELECT * FROM cdr WHERE account_id = {} AND business_date BETWEEN '2026-02-01' AND {})"
        " TO STDOUT (FORMAT csv)"
    ).format(LARGE, last)
    plain = copied(connection, raw, None)
    print(f"\nCSV of {lines - 1:,} rows, {size / 1e6:.0f} MB: {lines / seconds:,.0f} rows/s; the same COPY by psycopg"
          f" {lines / same:,.0f} rows/s (ratio {same / seconds:.2f}); raw COPY of the table {lines / plain:,.0f} rows/s"
          f" (ratio {plain / seconds:.2f}); server's memory {peak[0] / 2**20:.0f} MB before,"
          f" {peak[1] / 2**20:.0f} MB at most", flush=True)  # fmt: skip


def copied(connection: psycopg.Connection[Any], query: sql.Composed, values: dict[str, Any] | None) -> float:
    """Seconds of a COPY."""
    begun = time.perf_counter()
    with connection.cursor() as cursor, cursor.copy(query, values) as copy:
        for _ in copy:
            pass
    return time.perf_counter() - begun


def upload(connection: psycopg.Connection[Any], token: str) -> None:
    """A file of records that nobody knows, beside COPY of its lines into a table without an index."""
    run = uuid4().hex[:8]
    lines = ["id,caller,callee,start_time,duration,cost,currency"]
    lines += [f"{run}-{n},100,200,2026-03-0{1 + n % 9}T10:{n % 60:02d}:00Z,{n % 600},0.01,USD" for n in range(UPLOADED)]
    body = "\r\n".join(lines).encode()
    headers = {"X-Auth-Token": token, "Content-Type": "text/csv"}
    begun = time.perf_counter()
    answer = httpx2.post(
        f"http://127.0.0.1:{PORT}/v2/accounts/a0/cdrs", content=body, headers=headers, timeout=600
    ).raise_for_status()
    seconds = time.perf_counter() - begun
    inserted = answer.json()["data"]["counts"]["inserted"]
    connection.execute("CREATE TEMPORARY TABLE raw (a text, b text, c text, d timestamptz, e int, f numeric, g text)")
    begun = time.perf_counter()
    with connection.cursor() as cursor, cursor.copy("COPY raw FROM STDIN (FORMAT csv, HEADER)") as copy:
        copy.write(body)
    plain = time.perf_counter() - begun
    print(f"upload of {inserted:,} rows: {inserted / seconds:,.0f} rows/s ({seconds:.1f} s); raw COPY of the lines"
          f" {inserted / plain:,.0f} rows/s (ratio {plain / seconds:.2f})", flush=True)  # fmt: skip


def page_statement(
    connection: psycopg.Connection[Any], query: dict[str, str], account: str = LARGE
) -> tuple[sql.Composed, dict[str, Any]]:
    """The statement of a first page, on a connection that plans it as the API does."""
    search = searched(query, account)
    connection.execute("SET plan_cache_mode = force_custom_plan")
    connection.execute("SET enable_sort = off" if is_read_in_order(search) else "RESET enable_sort")
    found, bound = _composed("records/page", search, None)
    return found, bound.values | {"row_limit": 51, "utc_offset": 0}


def searched(query: dict[str, str], account: str = LARGE) -> Search:
    """The search of a query, as the API reads it."""
    conditions = conditions_of(query.items(), Account(account), frozenset(("created_from", "created_to")))
    span = None
    if "created_from" in query:
        span = InstantRange(
            "saved_at", instant("created_from", query["created_from"]), instant("created_to", query["created_to"])
        )
    return Search((account,), tuple(conditions), span, known_at=datetime.now(UTC))


def one(connection: psycopg.Connection[Any], query: LiteralString) -> float:
    """The single value of a query."""
    (value,) = connection.execute(query).fetchone() or (0,)
    return float(value)


def timed(part: Callable[[], object], times: int = MOST_REQUESTS, *, seconds: float = MOST_SECONDS) -> list[float]:
    """Seconds of each call; the first one, which warms up, does not count. At least two count."""
    part()
    found: list[float] = []
    end = time.perf_counter() + seconds
    while len(found) < times and (len(found) < 2 or time.perf_counter() < end):
        begun = time.perf_counter()
        part()
        found.append(time.perf_counter() - begun)
    return found


def _p(times: list[float], percent: int) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1] * 1_000


class serving:  # noqa: N801 - reads as what it does
    """The command as an operator starts it."""

    def __init__(self, url: str, folder: Path, *, workers: int) -> None:
        self._workers = str(workers)
        self._variables = {"CDR_WAREHOUSE_URL": url, "CDR_DATA_DIR": str(folder / "data"), "CDR_LOG_LEVEL": "WARNING",
                           "CDR_SERVE_REQUESTS_PER_SECOND": "0"}  # fmt: skip

    def __enter__(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", "from cdr_pipeline.cli import main; main()", "serve", "--port", str(PORT)]
        self._process = subprocess.Popen([*command, "--workers", self._workers], env=os.environ | self._variables)
        for _ in range(300):
            try:
                httpx2.get(f"http://127.0.0.1:{PORT}/readyz").raise_for_status()
            except httpx2.HTTPError:
                time.sleep(0.1)
            else:
                break
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


if __name__ == "__main__":
    main()
