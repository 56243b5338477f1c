"""CSV of any request, as the seed promises it: complete, quoted, and the same as the JSON."""

import csv
import io
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import httpx2
import openpyxl
import pytest

from cdr_pipeline.steps.run_context import RunContext
from tests.support.serving import PERIOD, STARTED, Served, serving, store

NASTY = 'O"Hara, Zoë\r\n=1+1;\\x'


def table(text: str) -> list[dict[str, str]]:
    """Rows of a CSV text."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def table_rows(text: str) -> list[list[str]]:
    """Lines of a CSV text, the header first."""
    return list(csv.reader(io.StringIO(text, newline="")))


def test_the_seeds_own_request_downloads_the_whole_period(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", *({"caller_id_name": NASTY} for _ in range(120)))
        with api.client(Accept="application/octet-stream") as client:
            answer = client.get(
                "/v1/accounts/self/cdrs", params={"auth_token": api.tokens["self"], "page_size": "7", **PERIOD}
            )
        listed = api.get("/v1/accounts/self/cdrs", **PERIOD).json()["data"]
    rows = table(answer.text)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert [row["id"] for row in rows] == [row["id"] for row in listed]
    assert len(rows) == 120
    assert {row["caller_id_name"] for row in rows} == {NASTY}
    assert list(rows[0]) == list(listed[0])
    for name, value in listed[0].items():
        if name != "media_recordings":
            assert rows[0][name] == str(value)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_the_seeds_command_line_downloads_what_a_spreadsheet_opens(ctx: RunContext, tmp_path: Path) -> None:
    with serving(ctx) as api:
        # Recent, since the seed's request names no period; the workplace's clock stands still.
        store(
            ctx, "self", *({"caller_id_name": NASTY, "started_at": ctx.clock() - timedelta(hours=1)} for _ in range(3))
        )
        url = f"{api.url}/v1/accounts/self/cdrs?auth_token={api.tokens['self']}"
        done = subprocess.run(
            ["curl", "-v", "-sS", "-H", "Accept: application/octet-stream", url],
            capture_output=True, check=True, timeout=60,
        )  # fmt: skip
    assert b"< HTTP/1.1 200 OK" in done.stderr
    downloaded = tmp_path / "cdrs.csv"
    downloaded.write_bytes(done.stdout)
    subprocess.run(
        ["soffice", f"-env:UserInstallation=file://{tmp_path}/office", "--headless",
         "--infilter=CSV:44,34,76,1,,0,true", "--convert-to", "xlsx", "--outdir", str(tmp_path), str(downloaded)],
        capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    opened = list(openpyxl.load_workbook(tmp_path / "cdrs.xlsx").active.iter_rows(values_only=True))  # type: ignore[union-attr]
    header, *lines = table_rows(done.stdout.decode())
    assert [str(cell) for cell in opened[0]] == header
    assert len(opened) == len(lines) + 1 == 4
    assert [str(row[0]) for row in opened[1:]] == [line[0] for line in lines]


def test_every_cell_is_quoted(api: Served) -> None:
    text = api.get("/v2/accounts/self/cdrs", headers={"Accept": "text/csv"}, **PERIOD).text
    for line in text.splitlines()[1:]:
        assert line.startswith('"')
        assert line.endswith('"')


def test_an_empty_period_is_a_header(api: Served) -> None:
    text = api.get(
        "/v2/accounts/self/cdrs",
        headers={"Accept": "text/csv"}, created_from="2026-01-01T00:00:00Z", created_to="2026-01-02T00:00:00Z",
    ).text  # fmt: skip
    assert text.splitlines()[0].startswith("id,call_id,")
    assert table(text) == []


@pytest.mark.parametrize(
    ("path", "column", "value"),
    [
        ("/cdrs/202603-call1", "custom_channel_vars.realm", "pbx0.example"),
        ("/cdrs/legs/202603-call1", "call_id", "call1"),
        ("/cdrs/interaction", "inception_direction", "origination"),
        ("/children", "id", "child"),
        ("", "timezone", "UTC"),
    ],
)
def test_any_request_can_be_a_csv(api: Served, path: str, column: str, value: str) -> None:
    query = PERIOD if path.endswith("interaction") else {}
    answer = api.get(f"/v2/accounts/self{path}", headers={"Accept": "text/csv"}, **query)
    assert answer.headers["content-type"].startswith("text/csv")
    assert table(answer.text)[0][column] == value


def test_days_and_uploads_can_be_a_csv_too(ctx: RunContext) -> None:
    with serving(ctx) as api:
        store(ctx, "self", {"started_at": STARTED})
        text = api.get(
            "/v2/accounts/self/days", headers={"Accept": "text/csv"}, from_date="2026-03-01", to_date="2026-03-31"
        ).text
    (day,) = table(text)
    assert (day["business_date"], day["records.api"], day["reconciliation.status"]) == ("2026-03-02", "1", "none")


def test_a_stream_that_breaks_is_never_taken_for_whole(ctx: RunContext) -> None:
    with serving(ctx, serve_download_seconds=600) as api:
        store(ctx, "self", *({"caller_id_name": "x" * 2_000} for _ in range(4_000)))
        with api.client(api.tokens["self"], Accept="text/csv") as client, pytest.raises(httpx2.HTTPError):  # noqa: PT012
            with client.stream("GET", "/v1/accounts/self/cdrs", params=PERIOD) as answer:
                assert answer.status_code == 200
                pieces = answer.iter_raw(chunk_size=4_096)
                next(pieces)
                with ctx.ledger() as ledger:
                    ledger.connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'cdr_pipeline api' AND datname = current_database()"
                    )
                for _ in pieces:
                    pass
