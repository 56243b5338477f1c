# ruff: noqa: E501 - statements are wide
"""Benchmark ``console``: time to the first byte and size of every screen, with many users, over a large warehouse.

    python tests/benchmarks/console.py [--rows 200000] [--accounts 1000] [--keep FOLDER | --use FOLDER]

``--keep`` leaves the filled warehouse in the folder, ``--use`` measures one that is there. The days of the warehouse
end yesterday: each account has a reconciled, exported day for each of them, and uploads; the last ten days are open, and
one in thirty of their carrier's days is red. The users are a process of their own; each opens one screen after the
other and reads for one to five seconds between two. Exits with 1 if a screen misses its aim.
"""

import argparse
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
from api import PORT, serving
from filled_warehouse import Filling, fill, workplace_of

from cdr_pipeline.steps.accounts.users import follow_sign_in_link, local_sign_in_link

PREFIX: Final = f"a{'0' * 27}"
LARGE: Final = f"{PREFIX}7"
DAYS: Final = 60
USERS: Final = 20
USER: Final = "A. Controller"
PAUSE_SECONDS: Final = (1.0, 5.0)
AIM_MS: Final = 300.0
AIM_TEXT_MS: Final = 1_000.0
AIM_BYTES: Final = 100_000
# What happened on each of the days. One in thirty days of a carrier is red, one in a hundred sealed days is late.
_LEDGER: Final = (
    """
    INSERT INTO days (account_id, business_date, state, changes, exported_changes, changed_at, collected_at,
        complete_through, exported_at, volume, usual_rows, version, sealed_at, published_at)
    SELECT account_id, day, CASE WHEN day < %(open)s THEN 'sealed' ELSE 'open' END,
        CASE WHEN hashtext(account_id || day) %% 100 = 0 THEN 2 ELSE 1 END, 1, day + interval '30 hours',
        day + interval '30 hours', day + interval '30 hours', day + interval '31 hours', 'usual', 100, 1,
        CASE WHEN day < %(open)s THEN day + interval '4 days' END,
        CASE WHEN day < %(open)s THEN day + interval '4 days' END
    FROM accounts CROSS JOIN generate_series(%(first)s::date, %(last)s::date, interval '1 day') AS s (moment)
        CROSS JOIN LATERAL (SELECT moment::date AS day) AS d
    """,
    """
    INSERT INTO reconciliations (account_id, carrier, business_date, version, status, light, findings, inputs_hash,
        rules_hash, code_version, profile, currency, switch_rows, switch_seconds, switch_amount, carrier_rows,
        carrier_seconds, carrier_amount, breaks, exposure, offset_status, offset_ms, drift_ppm, spread_ms, offset_pairs,
        offset_finding, appeared, resolved, changed, totals, seen_changes, reconciled_at)
    SELECT account_id, 'acme', business_date, 1, 'final',
        CASE WHEN abs(hashtext(account_id || business_date || 'r')) %% 30 = 0 THEN 'red' ELSE 'green' END, '{}',
        md5(account_id),
        md5('r'), '0', 'generic', 'USD', 20, 1200, 2, 20, 1200, 2, 1, 0.2, 'found', 0, 0, 0, 20, '', 1, 0, 0,
        jsonb_build_array(jsonb_build_object('class', 'cost_mismatch', 'accrued', '0', 'currency', 'USD',
            'exposure', '0.2', 'is_break', true, 'destination', 'Germany', 'switch_rows', 1, 'carrier_rows', 1, 'undercharged', '0',
            'switch_amount', '0.1', 'carrier_amount', '0.3', 'switch_seconds', '60', 'carrier_seconds', '60')),
        1, business_date + interval '30 hours'
    FROM days
    """,
    """
    INSERT INTO reconciled_calls (account_id, carrier, business_date, outcome_id, since_version, class, is_break, cause,
        ambiguous, switch_record_id, switch_date, carrier_record_id, carrier_date, started_at, destination,
        switch_seconds, carrier_seconds, switch_amount, carrier_amount, exposure, delta_ms, found_at, agreed_rate,
        expected_amount, currency)
    SELECT cdr.account_id, 'acme', cdr.business_date, md5(cdr.record_id), 1,
        CASE WHEN broken THEN 'cost_mismatch' ELSE 'matched' END, broken, CASE WHEN broken THEN 'rate' END, false,
        to_char(cdr.started_at, 'YYYYMM') || '-' || cdr.call_id, cdr.business_date, cdr.record_id, cdr.business_date,
        cdr.started_at, 'Germany', cdr.duration_seconds, cdr.duration_seconds, 0.1, 0.3, CASE WHEN broken THEN 0.2 ELSE 0 END, 0, now(), 0.1, 0.1, 'USD'
    FROM cdr
    CROSS JOIN LATERAL (SELECT abs(hashtext(cdr.record_id)) %% 10 = 0 AS broken) AS chance
    INNER JOIN reconciliations AS run
        ON run.account_id = cdr.account_id AND run.business_date = cdr.business_date
    WHERE cdr.origin = 'imported'
    """,
    """
    INSERT INTO break_decisions (account_id, outcome_id, decision_no, decision, reason, decided_by, decided_at)
    SELECT account_id, outcome_id, 1, 'accepted', 'small', 'A. Controller', now()
    FROM reconciled_calls WHERE is_break AND business_date < %(open)s
    """,
    """
    INSERT INTO uploads (account_id, sha256, profile, file_name, bytes, landing_path, state, received_at, loaded_at,
        content_sha256)
    SELECT account_id, repeat(md5(account_id || business_date), 2), 'generic', 'carrier_' || business_date || '.csv',
        1000, 'uploads/x', CASE WHEN abs(hashtext(account_id || business_date)) %% 2000 = 0 THEN 'held' ELSE 'loaded' END,
        business_date + interval '29 hours', business_date + interval '29 hours',
        repeat(md5(account_id || business_date), 2)
    FROM days
    """,
    """
    INSERT INTO export_files (account_id, business_date, version, dialect, path, sha256, bytes, row_count, written_at,
        content_sha256)
    SELECT account_id, business_date, 1, 'exact', account_id || '/cdrs_' || business_date || '_v1.csv',
        repeat(md5(account_id), 2), 1000, 100, business_date + interval '31 hours', repeat(md5(account_id), 2)
    FROM days
    """,
    """
    INSERT INTO deliveries (account_id, target, path, business_date, version, sha256, bytes, state, attempts, due_at,
        attempted_at, delivered_at)
    SELECT account_id, 'finance', path, business_date, 1, sha256, bytes,
        CASE WHEN business_date < %(last)s THEN 'delivered' ELSE 'pending' END, 1, written_at, written_at, written_at
    FROM export_files WHERE business_date < %(open)s OR business_date = %(last)s
    """,
    """
    INSERT INTO console_events (event_id, happened_at, user_id, action, account_id, business_date, subject, reason)
    SELECT gen_random_uuid(), business_date + interval '32 hours', user_id, 'seal', days.account_id, business_date, '',
        ''
    FROM days CROSS JOIN console_users WHERE state = 'sealed'
    """,
    "VACUUM ANALYZE",
)


def main() -> None:
    """Fills where needed, measures, and deletes what is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the users work")
    parser.add_argument("--workers", type=int, default=1)
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--keep", type=Path, metavar="FOLDER")
    kept.add_argument("--use", type=Path, metavar="FOLDER")
    parser.add_argument("--crowd", nargs=2, metavar=("SECONDS", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.crowd:
        print(json.dumps(crowd(float(asked.crowd[0]), json.loads(Path(asked.crowd[1]).read_text()))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)
        folder = (asked.use or asked.keep or Path(scratch)).absolute()
        if asked.use is None:
            filled(folder, asked.rows, asked.accounts)
        server, ctx = workplace_of(folder)
        try:
            with serving(server.url, folder, workers=asked.workers):
                session = follow_sign_in_link(local_sign_in_link(USER, ctx).secret, ctx)
                good = measure(server.url, session, asked.seconds, Path(scratch))
        finally:
            server.stop()
            if asked.use is None and asked.keep is None:
                server.destroy()
    raise SystemExit(0 if good else 1)


def filled(folder: Path, rows: int, accounts: int) -> None:
    """Makes the records, and what the ledger knows about their days."""
    begun = time.perf_counter()
    last = date.today() - timedelta(1)  # noqa: DTZ011 - the server's day
    first = last - timedelta(DAYS - 1)
    fill(folder, Filling(rows, accounts, PREFIX, first, DAYS))
    server, ctx = workplace_of(folder)
    local_sign_in_link(USER, ctx)
    bound = {"first": first, "last": last, "open": last - timedelta(9)}
    with psycopg.connect(server.url, autocommit=True, options="-c synchronous_commit=off") as connection:
        for statement in _LEDGER:
            connection.execute(statement, bound if "%" in statement else None)  # type: ignore[arg-type]
    server.stop()
    print(f"{rows:,} records of {accounts:,} accounts made in {time.perf_counter() - begun:.0f} s", flush=True)


def screens(url: str) -> dict[str, str]:
    """Path of each screen by its name, over values that exist."""
    with psycopg.connect(url) as connection:
        record, number, business_date = connection.execute(
            "SELECT record_id, caller_e164, business_date FROM cdr WHERE account_id = %s AND origin = 'api'"
            " AND business_date = (SELECT max(business_date) - 3 FROM days) LIMIT 1 OFFSET 3",
            [LARGE],
        ).fetchone() or ("", "", date.min)
    span = f"first={business_date - timedelta(7)}&last={business_date}"
    number = number.replace("+", "%2B")
    return {
        "today": "/",
        "calendar": f"/calendar?month={business_date:%Y-%m}",
        "calendar, needs action": f"/calendar?month={business_date:%Y-%m}&action=1",
        "day": f"/days/{LARGE}/{business_date}",
        "breaks, open": "/breaks",
        "breaks, one account": f"/breaks?account={LARGE}&state=all&{span}",
        "rules": "/rules",
        "carriers": "/carriers",
        "carrier month": f"/carriers/month?carrier=acme&month={business_date:%Y-%m}",
        "files in": "/uploads",
        "files in, one account": f"/uploads?account={LARGE}",
        "inbound places": "/inbound",
        "profiles": "/profiles",
        "search, form": "/search",
        "search, number": f"/search?account={LARGE}&q={number}&{span}",
        "search, address": f"/search?account={LARGE}&q=10.7.7.0/24&{span}",
        "search, text": f"/search?account={LARGE}&q=caller+77&{span}",
        "call": f"/records/{LARGE}/{record}",
        "deliveries": "/deliveries",
        "accounts": "/accounts",
        "operations": "/operations",
        "audit": "/audit",
        "users": "/users",
        "help": "/help",
    }


def measure(url: str, session: str, seconds: float, scratch: Path) -> bool:
    """Opens each screen alone, then by all users at once; prints the table. Whether every aim is met."""
    paths = screens(url)
    alone = {name: opened(connected(), path, session) for name, path in paths.items() for _ in range(2)}
    request = scratch / "crowd.json"
    request.write_text(json.dumps({"session": session, "paths": paths}))
    program = [sys.executable, __file__, "--crowd", str(seconds), str(request)]
    done = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True)
    times: dict[str, list[float]] = json.loads(done.stdout)
    columns = "".join(f" {title:>8s}" for title in ("alone", "p50", "p95", "aim", "kB"))
    print(f"\n{f'{USERS} users, first byte in ms':40s}{columns} {'n':>5s}")
    good = True
    for name in paths:
        aim = AIM_TEXT_MS if name == "search, text" else AIM_MS
        p95 = statistics.quantiles(times[name], n=100, method="inclusive")[94]
        size = alone[name][1]
        met = p95 <= aim and size <= AIM_BYTES
        good &= met
        print(f"{name:40s} {alone[name][0]:8.0f} {statistics.median(times[name]):8.0f} {p95:8.0f} {aim:8.0f}"
              f" {size / 1000:8.1f} {len(times[name]):5d}{'' if met else '  MISSED'}", flush=True)  # fmt: skip
    every = [value for listed in times.values() for value in listed]
    p95 = statistics.quantiles(every, n=100, method="inclusive")[94]
    print(f"{'all screens':49s} {statistics.median(every):8.0f} {p95:8.0f} {'':17s} {len(every):5d}")
    return good


def crowd(seconds: float, request: dict[str, Any]) -> dict[str, list[float]]:
    """Milliseconds of each screen, opened by all users in a random order."""
    times: dict[str, list[float]] = {name: [] for name in request["paths"]}

    def work(seed: int) -> None:
        chance = random.Random(seed)
        connection, end = connected(), time.perf_counter() + seconds
        while time.perf_counter() < end or min(map(len, times.values())) < 2:
            time.sleep(chance.uniform(*PAUSE_SECONDS))
            name = min(chance.sample(sorted(times), 3), key=lambda item: len(times[item]))
            try:
                times[name].append(opened(connection, request["paths"][name], request["session"])[0])
            except (OSError, http.client.HTTPException, AssertionError) as error:
                print(f"{name}: {error!r}", file=sys.stderr, flush=True)
                times[name].append(float("inf"))
                connection = connected()

    with ThreadPoolExecutor(USERS) as pool:
        list(pool.map(work, range(USERS)))
    return times


def connected() -> http.client.HTTPConnection:
    """A connection to the console."""
    return http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)


def opened(connection: http.client.HTTPConnection, path: str, session: str) -> tuple[float, int]:
    """Milliseconds to the first byte of a page, and its size in bytes."""
    begun = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": f"cdr_session={session}"})
    answer = connection.getresponse()
    first = (time.perf_counter() - begun) * 1000
    size = len(answer.read())
    assert answer.status == http.HTTPStatus.OK, (path, answer.status)
    return first, size


if __name__ == "__main__":
    main()
