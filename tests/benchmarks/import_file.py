"""Benchmark ``import_file``: a carrier's CSV from bytes to merged rows, beside dlt and beside the limit of COPY.

    python tests/benchmarks/import_file.py [--rows 2000000] [--peer-rows 50000] [--shape plain|wide|nested|all]

The shape is a file of 16 columns, one of 60 columns, or nested JSON as FreeSWITCH writes it, one document a line; by
default one after the other, each with its own limit. Limit and import write into the same embedded PostgreSQL, whose
start is not measured. The limit copies the very rows that the import stages, already as CSV text, into an unlogged
table of the columns of ``cdr``, ``extra`` included, without an index: what any program must at least do that brings
these rows into this database. dlt (extra ``bench``) reads the file with the csv module, in the way of its own
documentation, and merges on the record's id; without ``--peer-rows``, the length of its file, it is left out.
"""

import argparse
import csv
import json
import os
import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import polars as pl
import psycopg
from measuring import Measured, line, measured
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from cdr_pipeline.core.fields.dictionary import names
from cdr_pipeline.core.fields.schemas import EXTRA
from cdr_pipeline.core.normalize.imported import normalize_imported
from cdr_pipeline.core.records.identity import with_record_ids
from cdr_pipeline.core.records.validate import validate
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.uploads.parse import read_ahead
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import import_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from cdr_pipeline.warehouse.ledger import Account
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer

ACCOUNT = "carrier-account"
COLUMNS = (
    "id", "call_id", "caller", "callee", "start_time", "answer_time", "end_time", "duration_seconds", "billing_seconds",
    "status", "rate_per_minute", "cost", "currency", "trunk", "prefix", "destination_name",
)  # fmt: skip
LATEST = datetime(2027, 1, 1, tzinfo=UTC)


def write_file(path: Path, rows: int) -> None:
    """A carrier's file of four weeks of calls: 16 columns, some of them quoted, about 195 bytes a line."""
    chance = random.Random(1)
    first = datetime(2026, 3, 2, tzinfo=UTC)
    with path.open("w", newline="") as file:
        file.write(",".join(COLUMNS) + "\r\n")
        for number in range(rows):
            start = first + timedelta(seconds=number * 86_400 * 28 // rows)
            length = chance.randrange(5, 900)
            billed = max(0, length - chance.randrange(30))
            end = start + timedelta(seconds=length)
            answer = f"{end - timedelta(seconds=billed):%Y-%m-%dT%H:%M:%SZ}" if billed else ""
            file.write(
                f"C{number:010d},{chance.getrandbits(64):016x}@192.0.2.{number % 250},+1212555{number % 10_000:04d},"
                f'"+4930{chance.randrange(10**6, 10**7)}",{start:%Y-%m-%dT%H:%M:%SZ},{answer},{end:%Y-%m-%dT%H:%M:%SZ},'
                f"{length},{billed},{'answered' if billed else 'no answer'},0.0120,{billed * 0.0002:.6f},USD,"
                f'gw{number % 7},4930,"Germany, Berlin"\r\n'
            )


def write_wide(path: Path, rows: int) -> None:
    """The same calls with 44 more columns that no field uses: 60 columns, about 480 bytes a line."""
    narrow = path.with_suffix(".narrow")
    write_file(narrow, rows)
    names_of_more = "".join(f",extra_{number}" for number in range(44))
    values = "".join(f",value{number}" if number % 3 else "," for number in range(44))
    with narrow.open(newline="") as source, path.open("w", newline="") as file:
        for number, row in enumerate(source):
            file.write(row.rstrip() + (values if number else names_of_more) + "\r\n")
    narrow.unlink()


def write_nested(path: Path, rows: int) -> None:
    """FreeSWITCH's JSON of the same weeks: one document a line, about 600 bytes."""
    chance = random.Random(1)
    first = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
    with path.open("w") as file:
        for number in range(rows):
            start, length = first + number * 86_400 * 28 // rows, chance.randrange(5, 900)
            variables = {
                "uuid": f"{chance.getrandbits(128):032x}",
                "direction": "outbound",
                "start_epoch": str(start),
                "answer_epoch": str(start + 4),
                "end_epoch": str(start + length),
                "duration": str(length),
                "billsec": str(length - 4),
                "hangup_cause": "NORMAL_CLEARING",
            } | {f"variable_{extra}": "value" for extra in range(10)}
            caller = {
                "caller_id_number": f"+1212555{number % 10_000:04d}",
                "destination_number": f"+4930{chance.randrange(10**6, 10**7)}",
            }
            document = {"switchname": "fs1", "variables": variables, "callflow": [{"caller_profile": caller}]}
            file.write(json.dumps(document) + "\n")


# shape: function that writes the file, and profile that reads it
SHAPES = {
    "plain": (write_file, "generic"),
    "wide": (write_wide, "generic"),
    "nested": (write_nested, "freeswitch_json"),
}


def workplace(folder: str) -> RunContext:
    """A place with its own embedded warehouse."""
    ctx = RunContext.open(
        Settings(data_dir=Path(folder)).model_copy(update={"clock_tolerance_seconds": float("inf")}),
        clock=lambda: datetime(2026, 5, 1, tzinfo=UTC),
    )
    with ctx.ledger() as ledger:
        ledger.accounts.add(Account(ACCOUNT, time_zone="Europe/Berlin", country_code="49"), now=ctx.clock())
    return ctx


def started(folder: str) -> str:
    """The folder, with a running warehouse."""
    workplace(folder)
    return folder


def import_it(folder: str, file: str, profile: str) -> int:
    """The step."""
    loaded = import_upload(UploadRequest(Path(file), ACCOUNT, profile), workplace(folder))
    assert loaded.counts.rejected == 0, loaded.reject_reasons
    return loaded.counts.merged


def frames_of(file: str, profile: str) -> Iterator[pl.DataFrame]:
    """Accepted rows, as the import stages them."""
    spoken = load_profile(profile)
    for records in read_ahead(Path(file), spoken):
        sifted = normalize_imported(
            records.frame, spoken, account_id=ACCOUNT, account_time_zone="Europe/Berlin", account_country_code="49"
        )
        yield validate(with_record_ids(sifted.rows, "acme"), latest=LATEST).rows


def parse_it(file: str, profile: str) -> int:
    """Bytes to validated frames, without a database."""
    return sum(frame.height for frame in frames_of(file, profile))


def prepare_limit(file: str, profile: str, target: str) -> int:
    """Writes the rows as the CSV that COPY takes; not measured."""
    rows = 0
    with Path(target).open("wb") as out:
        for frame in frames_of(file, profile):
            frame.select(*names(), EXTRA).write_csv(out, include_header=False)
            rows += frame.height
    return rows


def copy_it(folder: str, target: str) -> int:
    """The limit: one COPY of ready text into an unlogged table of the canonical columns."""
    ctx = workplace(folder)
    columns = sql.SQL(", ").join(map(sql.Identifier, (*names(), "extra")))
    with psycopg.connect(ctx.url) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE UNLOGGED TABLE bare AS SELECT {} FROM cdr WITH NO DATA").format(columns))
        with cursor.copy("COPY bare FROM STDIN (FORMAT csv)") as copy, Path(target).open("rb") as source:
            while chunk := source.read(1024**2):
                copy.write(chunk)
        connection.commit()
        cursor.execute("SELECT count(*) FROM bare")
        return int(next(cursor)[0])


def peer_it(folder: str, file: str) -> int:
    """Dlt, as its documentation has it: a resource that yields rows of the csv module, merge on the id."""
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": f"{folder}/dlt"}
    import dlt  # noqa: PLC0415 - only in the extra bench
    from dlt.destinations.impl.postgres.configuration import PostgresCredentials  # noqa: PLC0415

    ctx = workplace(folder)
    known = conninfo_to_dict(ctx.url)
    # The embedded server has no port: a folder stands for the host, and in a URL it is written with %2F.
    host = quote(str(known["host"]), safe="")
    credentials = PostgresCredentials(
        f"postgresql://{known['user']}:none@{host}:{known.get('port', 5432)}/{known['dbname']}"
    )

    @dlt.resource(name="calls", write_disposition="merge", primary_key="id")
    def calls() -> Iterator[list[dict[str, str]]]:
        with Path(file).open(newline="") as source:
            batch: list[dict[str, str]] = []
            for row in csv.DictReader(source):
                batch.append(row)
                if len(batch) == 10_000:
                    yield batch
                    batch = []
            yield batch

    pipeline = dlt.pipeline(
        pipeline_name="peer",
        pipelines_dir=f"{folder}/dlt",
        destination=dlt.destinations.postgres(credentials),
        dataset_name="peer",
    )
    pipeline.run(calls())
    with psycopg.connect(ctx.url) as connection:
        return int(next(connection.execute("SELECT count(*) FROM peer.calls"))[0])


def with_server(part: Measured, folder: str) -> Measured:
    """The measurement; its server is gone."""
    EmbeddedServer(Path(folder) / "warehouse").destroy()
    return part


def main() -> None:
    """Prints a table for each shape."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--peer-rows", type=int, default=0)
    parser.add_argument("--shape", choices=[*SHAPES, "all"], default="all")
    asked = parser.parse_args()
    for shape in SHAPES if asked.shape == "all" else [asked.shape]:
        compare(shape, asked.rows, asked.peer_rows if shape == "plain" else 0)


def compare(shape: str, rows: int, peer_rows: int) -> None:
    """Prints the table of one shape."""
    write, profile = SHAPES[shape]
    with tempfile.TemporaryDirectory() as scratch:
        file, ready = f"{scratch}/calls.csv", f"{scratch}/ready.csv"
        write(Path(file), rows)
        print(f"{rows:,} lines, {Path(file).stat().st_size / 1e6:,.0f} MB, shape {shape}, profile {profile}")
        measured(prepare_limit, file, profile, ready)
        limit = with_server(measured(copy_it, started(f"{scratch}/limit"), ready), f"{scratch}/limit")
        Path(ready).unlink()
        best = limit.result / limit.seconds
        print(line("limit: COPY into an unlogged bare table", limit.result, limit, best), flush=True)
        parsed = measured(parse_it, file, profile)
        print(line("bytes to validated frames", parsed.result, parsed, best), flush=True)
        ours = with_server(measured(import_it, started(f"{scratch}/ours"), file, profile), f"{scratch}/ours")
        print(line("import: bytes to merged rows", ours.result, ours, best), flush=True)
        if peer_rows:
            write_file(Path(file), peer_rows)
            peer = with_server(measured(peer_it, started(f"{scratch}/peer"), file), f"{scratch}/peer")
            print(line("dlt, merge on the id", peer.result, peer, best), flush=True)
            ratio = (ours.result / ours.seconds) / (peer.result / peer.seconds)
            print(f"import is {ratio:.1f} times as fast as dlt")


if __name__ == "__main__":
    main()
