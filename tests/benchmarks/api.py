"""How fast the API answers over a large warehouse: pages, filters, details, whole periods as CSV, uploads.

Usage: api.py [ROWS] [FOLDER]. Every part is measured beside the same query by psycopg without a web server.
"""

import os
import random
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx2
import psutil
import psycopg

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from cdr_pipeline.api.filters import conditions_of
from cdr_pipeline.api.times import instant
from cdr_pipeline.core.search import Search, Span
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.api_tokens import TokenRequest, create_token
from cdr_pipeline.steps.workplace import Workplace
from cdr_pipeline.warehouse.embedded import EmbeddedServer
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.migrate import upgrade
from cdr_pipeline.warehouse.partitions import add_missing_partitions
from cdr_pipeline.warehouse.search import _composed

ACCOUNTS = 50
FIRST = date(2026, 1, 1)
DAYS = 90
PORT = 18_733
# Numbers, addresses and causes vary as real ones do; half of all legs are of one large account.
FILL = """
INSERT INTO cdr (
    account_id, origin, record_id, business_date, call_id, call_direction, started_at, ended_at, duration_seconds,
    billing_seconds, answered, hangup_cause, caller_id_number, caller_e164, callee_id_number, callee_e164,
    caller_id_name,
    from_host, to_host, sip_to, sip_from, remote_rtp_address, owner_id, realm, cost, cost_currency, rate, carrier,
    interaction_id, extra, has_detail, list_digest, row_digest, batch_id, source_line, changed_at
)
SELECT
    CASE WHEN n %% 2 = 0 THEN 'a7' ELSE 'a' || (n %% {accounts}) END, 'api',
    to_char(started, 'YYYYMM') || '-' || md5(n::text), started::date, md5(n::text),
    CASE WHEN n %% 2 = 0 THEN 'inbound' ELSE 'outbound' END, started, started + make_interval(secs => n %% 600),
    n %% 600, greatest(0, n %% 600 - 10), n %% 600 > 10,
    (ARRAY['NORMAL_CLEARING', 'NO_ANSWER', 'USER_BUSY', 'ORIGINATOR_CANCEL'])[1 + n %% 4],
    '+1' || (2000000000 + n %% 7000003), '+1' || (2000000000 + n %% 7000003),
    '+49' || (30000000 + n %% 5000011), '+49' || (30000000 + n %% 5000011), 'Caller ' || n %% 1000,
    '10.' || n %% 200 || '.' || n %% 251 || '.7', 'pbx' || n %% {accounts} || '.example',
    (n %% 300) || '@pbx' || n %% {accounts} || '.example', (n %% 977) || '@carrier.example',
    '198.51.' || n %% 256 || '.' || n %% 250, 'u' || n %% 400, 'pbx' || n %% {accounts} || '.example',
    (n %% 600) * 0.0001, 'USD', 0.01, 'acme', (63000000000 + n / 3)::text, '{{}}', false,
    md5(n::text), md5(n::text), gen_random_uuid(), n, '2026-04-01'
FROM (
    SELECT n, %(first)s::timestamptz + n * make_interval(secs => {step}) AS started
    FROM generate_series(1, %(rows)s) AS n
) AS made
"""


def main() -> None:
    """Builds the warehouse, measures, takes it away."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else "cdr_benchmark").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    server = EmbeddedServer(folder / "warehouse")
    server.ensure_running()
    try:
        upgrade(server.url)
        at = Workplace.at(Settings(data_dir=folder / "data", warehouse_url=server.url, DAGSTER_HOME=folder / "home"))
        begun = time.perf_counter()
        fill(at, rows)
        print(f"{rows:,} rows made in {time.perf_counter() - begun:.0f} s, {ACCOUNTS} accounts, {DAYS} days")
        measure(at, server.url, rows, folder)
    finally:
        server.destroy()
        shutil.rmtree(folder, ignore_errors=True)


def fill(at: Workplace, rows: int) -> None:
    """Records of the accounts, spread evenly over the days."""
    with at.ledger() as ledger:
        for number in range(ACCOUNTS):
            ledger.add_account(Account(f"a{number}", parent_id=None if number == 0 else "a0"), now=at.clock())
        connection = ledger.connection
        with connection.transaction():
            add_missing_partitions(connection, [FIRST + timedelta(day) for day in range(DAYS + 1)])
        connection.execute("SET synchronous_commit = off")
        connection.execute(
            FILL.format(accounts=ACCOUNTS, step=DAYS * 86_400 / rows),  # type: ignore[arg-type]
            {"first": FIRST, "rows": rows},
        )
        connection.execute("VACUUM ANALYZE cdr")


def measure(at: Workplace, url: str, rows: int, folder: Path) -> None:
    """Every part, each printed as a line."""
    token = create_token(TokenRequest("a0", "upload", "bench", 1), at).token
    with (
        serving(url, folder) as process,
        httpx2.Client(base_url=f"http://127.0.0.1:{PORT}", headers={"X-Auth-Token": token}, timeout=600) as client,
        psycopg.connect(url, autocommit=True) as connection,
    ):
        # As the API's own transactions have it.
        connection.execute("SET plan_cache_mode = force_custom_plan")
        month = {"created_from": "2026-02-01T00:00:00Z", "created_to": "2026-02-28T23:59:59Z"}
        day = {"created_from": "2026-02-10T00:00:00Z", "created_to": "2026-02-10T23:59:59Z"}
        number = connection.execute(
            "SELECT caller_e164, record_id FROM cdr WHERE account_id='a7' LIMIT 1 OFFSET 99"
        ).fetchone()
        assert number is not None
        queries: dict[str, dict[str, str]] = {
            "page of 50, account and day": day,
            "page of 50, business_date": {"business_date": "2026-02-10"},
            "page of 50, a month": month,
            "filter_hangup_cause": month | {"filter_hangup_cause": "USER_BUSY"},
            "from (exact number)": month | {"from": number[0]},
            "prefix +4930": month | {"prefix": "+493000"},
            "area_code 212": month | {"area_code": "212"},
            "ip /24": month | {"ip": "10.7.7.0/24"},
            "rtp address": month | {"rtp": "198.51.7.7"},
            "sip host": month | {"sip": "carrier.example"},
            "customer (owner)": month | {"customer": "u7"},
            "min_duration": month | {"min_duration": "590"},
            "search text": month | {"search": "caller 77"},
        }
        print(f"\n{'one client':34s} {'p50 ms':>8s} {'p99 ms':>8s}   psycopg p50 ms")
        for name, query in queries.items():
            times = timed(lambda query=query: client.get("/v2/accounts/a7/cdrs", params=query).raise_for_status(), 60)
            print(f"{name:34s} {_p(times, 50):8.1f} {_p(times, 99):8.1f}   {bare(connection, query):8.1f}")
        detail = timed(lambda: client.get(f"/v2/accounts/a7/cdrs/{number[1]}").raise_for_status(), 200)
        print(f"{'detail':34s} {_p(detail, 50):8.1f} {_p(detail, 99):8.1f}")
        crowd(token, rows)
        download(client, connection, process)
        upload(client)


def crowd(token: str, rows: int) -> None:
    """A hundred clients that ask for pages one after the other."""
    times: list[float] = []
    lock = threading.Lock()

    def ask(seed: int) -> None:
        chance = random.Random(seed)
        with httpx2.Client(base_url=f"http://127.0.0.1:{PORT}", headers={"X-Auth-Token": token}, timeout=60) as client:
            for _ in range(20):
                day = FIRST + timedelta(chance.randrange(DAYS))
                query = {"created_from": f"{day}T00:00:00Z", "created_to": f"{day}T23:59:59Z"}
                begun = time.perf_counter()
                client.get(f"/v2/accounts/a{chance.randrange(ACCOUNTS)}/cdrs", params=query).raise_for_status()
                with lock:
                    times.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    with ThreadPoolExecutor(100) as pool:
        list(pool.map(ask, range(100)))
    total = time.perf_counter() - begun
    print(f"\n100 clients, pages of 50 over {rows:,} rows: {len(times) / total:.0f} pages/s,"
          f" p50 {_p(times, 50):.0f} ms, p99 {_p(times, 99):.0f} ms")  # fmt: skip


def download(client: httpx2.Client, connection: psycopg.Connection[Any], process: subprocess.Popen[bytes]) -> None:
    """A month of an account as CSV, beside COPY of the same columns without a web server."""
    month = {"created_from": "2026-02-01T00:00:00Z", "created_to": "2026-02-28T23:59:59Z"}
    begun = time.perf_counter()
    lines = size = peak = 0
    with client.stream("GET", "/v2/accounts/a7/cdrs", params=month, headers={"Accept": "text/csv"}) as answer:
        for piece in answer.iter_bytes():
            lines += piece.count(b"\n")
            size += len(piece)
            peak = max(peak, psutil.Process(process.pid).memory_info().rss)
    seconds = time.perf_counter() - begun
    begun = time.perf_counter()
    query, bound = _composed("search/stream_csv", searched(month), None, as_json=False)
    with connection.cursor() as cursor, cursor.copy(query, bound.values | {"utc_offset": 0}) as copy:
        for _ in copy:
            pass
    same = time.perf_counter() - begun
    begun = time.perf_counter()
    raw = (
        "COPY (SELECT * FROM cdr WHERE account_id = 'a7' AND business_date BETWEEN '2026-02-01' AND '2026-02-28')"
        " TO STDOUT (FORMAT csv)"
    )
    with connection.cursor() as cursor, cursor.copy(raw) as copy:
        for _ in copy:
            pass
    plain = time.perf_counter() - begun
    print(f"\nCSV of {lines - 1:,} rows, {size / 1e6:.0f} MB: {lines / seconds:,.0f} rows/s; the same COPY by psycopg"
          f" {lines / same:,.0f} rows/s (ratio {same / seconds:.2f}); raw COPY of the table {lines / plain:,.0f} rows/s"
          f" (ratio {plain / seconds:.2f}); server's memory at most {peak / 2**20:.0f} MB")  # fmt: skip


def upload(client: httpx2.Client) -> None:
    """100,000 rows as CSV."""
    lines = ["id,caller,callee,start_time,duration,cost,currency"]
    lines += [f"u{n},100,200,2026-03-0{1 + n % 9}T10:{n % 60:02d}:00Z,{n % 600},0.01,USD" for n in range(100_000)]
    begun = time.perf_counter()
    answer = client.post(
        "/v2/accounts/a0/cdrs", content="\r\n".join(lines).encode(), headers={"Content-Type": "text/csv"}
    ).raise_for_status()
    seconds = time.perf_counter() - begun
    counts = answer.json()["data"]["counts"]
    print(f"upload of {counts['inserted']:,} rows: {counts['inserted'] / seconds:,.0f} rows/s ({seconds:.1f} s)")


def timed(part: Callable[[], object], times: int) -> list[float]:
    """Seconds of each call."""
    found: list[float] = []
    for _ in range(times):
        begun = time.perf_counter()
        part()
        found.append(time.perf_counter() - begun)
    return found


def bare(connection: psycopg.Connection[Any], query: dict[str, str]) -> float:
    """Median of the page's own statement without filters other than the period, in milliseconds."""
    found, bound = _composed("search/page", searched(query), None, as_json=True)
    values = bound.values | {"row_limit": 51, "utc_offset": 0}
    return _p(timed(lambda: connection.execute(found, values).fetchall(), 20), 50)


def searched(query: dict[str, str]) -> Search:
    """The search of a query, as the API reads it."""
    conditions = conditions_of(query.items(), Account("a7"), frozenset(("created_from", "created_to")))
    span = None
    if "created_from" in query:
        span = Span(
            "saved_at", instant("created_from", query["created_from"]), instant("created_to", query["created_to"])
        )
    return Search(("a7",), tuple(conditions), span)


def _p(times: list[float], percent: int) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1] * 1_000


class serving:  # noqa: N801 - reads as what it does
    """The command as an operator starts it, in two processes."""

    def __init__(self, url: str, folder: Path) -> None:
        self._variables = {"CDR_WAREHOUSE_URL": url, "CDR_DATA_DIR": str(folder / "data"), "CDR_LOG_LEVEL": "WARNING",
                           "CDR_SERVE_REQUESTS_PER_SECOND": "0"}  # fmt: skip

    def __enter__(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", "from cdr_pipeline.cli import main; main()", "serve", "--port", str(PORT)]
        self._process = subprocess.Popen([*command, "--workers", "1"], env=os.environ | self._variables)
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
