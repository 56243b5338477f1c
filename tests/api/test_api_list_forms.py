"""Lists of records as an Arrow stream and as a workbook."""

import io
import tempfile
from contextlib import closing
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from cdr_pipeline.exports import record_lists
from cdr_pipeline.exports.record_lists import ArrowList, TooManyRows, WorkbookList
from tests.support.serving import PERIOD, Served

LIST = "/v2/accounts/self/cdrs"
ARROW = "application/vnd.apache.arrow.stream"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
HEADER = b"id,caller_id_name,duration_seconds\n"


def _sheet(content: bytes) -> Worksheet:
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert isinstance(sheet, Worksheet)
    return sheet


def test_a_list_is_also_an_arrow_stream(api: Served) -> None:
    answer = api.get(LIST, headers={"Accept": ARROW}, **PERIOD)
    assert answer.headers["Content-Type"] == ARROW
    rows = pl.read_ipc_stream(io.BytesIO(answer.content)).to_dicts()
    listed = api.get(LIST, paginate="false", **PERIOD).json()["data"]
    assert [row["id"] for row in rows] == [row["id"] for row in listed] != []
    assert [row["duration_seconds"] for row in rows] == [row["duration_seconds"] for row in listed]


def test_a_list_is_also_a_workbook(api: Served) -> None:
    answer = api.get(LIST, accept="xlsx", **PERIOD)
    assert answer.headers["Content-Type"] == XLSX
    assert answer.headers["Content-Disposition"] == 'attachment; filename="cdrs.xlsx"'
    header, *rows = _sheet(answer.content).iter_rows(values_only=True)
    listed = api.get(LIST, paginate="false", **PERIOD).json()["data"]
    assert list(header) == list(listed[0])
    assert [row[0] for row in rows] == [row["id"] for row in listed]


def test_other_responses_have_neither_form(api: Served) -> None:
    assert api.get("/v2/accounts/self/days", headers={"Accept": XLSX}).status_code == 406
    assert api.get("/v2/accounts/self/days", headers={"Accept": ARROW}).status_code == 406


def test_an_empty_list_has_its_columns(api: Served) -> None:
    nothing = {"created_from": "2020-01-01T00:00:00Z", "created_to": "2020-01-02T00:00:00Z"}
    arrow = api.get(LIST, headers={"Accept": ARROW}, **nothing)
    assert pl.read_ipc_stream(io.BytesIO(arrow.content)).shape[0] == 0
    sheet = _sheet(api.get(LIST, accept="xlsx", **nothing).content)
    assert [row[0] for row in sheet.iter_rows(values_only=True)] == ["id"]


def test_pieces_are_batches_of_one_stream() -> None:
    writer = ArrowList()
    parts = [writer.add(HEADER + b'"1","a, ""b""","30"\n'), writer.add(b'"2","two\nlines",""\n'), *writer.end()]
    frame = pl.read_ipc_stream(io.BytesIO(b"".join(parts)))
    assert frame.rows() == [("1", 'a, "b"', 30.0), ("2", "two\nlines", None)]


def test_a_formula_stays_a_text_in_a_workbook() -> None:
    with closing(WorkbookList()) as writer:
        writer.add(HEADER + b'"1","=1+1","30"\n"+4930","@SUM(A1)","0.5"\n')
        sheet = _sheet(b"".join(writer.end()))
    cells = [[(cell.value, cell.data_type) for cell in row] for row in sheet.iter_rows(min_row=2)]
    assert cells == [[("1", "s"), ("=1+1", "s"), (30, "n")], [("+4930", "s"), ("@SUM(A1)", "s"), (0.5, "n")]]


def test_more_rows_than_a_worksheet_has_are_refused(monkeypatch: pytest.MonkeyPatch, api: Served) -> None:
    monkeypatch.setattr(record_lists, "MOST_SHEET_ROWS", 1)
    with closing(WorkbookList()) as writer, pytest.raises(TooManyRows):
        writer.add(HEADER + b'"1","",""\n"2","",""\n')
    answer = api.get(LIST, accept="xlsx", **PERIOD)
    assert (answer.status_code, answer.json()["message"]) == (413, "too_many_rows")


def test_a_workbook_that_is_not_completed_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    writer = WorkbookList()
    writer.add(HEADER + b'"1","a","30"\n')
    assert list(tmp_path.iterdir()) != []
    writer.close()
    assert list(tmp_path.iterdir()) == []
