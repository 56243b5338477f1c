"""Excel workbooks from carriers' portals: rows of the first sheet, read as comma-separated text."""

from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.drafting.profile_draft import draft_profile
from cdr_pipeline.sources.uploads.opening import text_pieces
from cdr_pipeline.sources.uploads.profiles import read_profile
from tests.support.uploads import normalized

# An empty first sheet, and a second one with a title, an empty row, HEADER and ROWS.
OLD = Path(__file__).parents[1] / "golden" / "calls.xls"

HEADER = ["Call date", "From", "To", "Duration", "Price (EUR)"]
ROWS: list[list[Any]] = [
    [datetime(2026, 3, 2, 9, 0, 5), 49305550101, "+442055501012", timedelta(minutes=1, seconds=30), 0.125],  # noqa: DTZ001
    [datetime(2026, 3, 13, 10, 0), 49305550102, "+442055501013", timedelta(hours=26), 1.5],  # noqa: DTZ001
]


def book(path: Path, *rows: list[Any]) -> Path:
    """A workbook with an empty first sheet and these rows in the second one."""
    made = Workbook()
    sheet = made.create_sheet("Calls")
    for row in rows:
        sheet.append(row)
    made.save(path)
    return path


def text_of(path: Path) -> list[str]:
    return "".join(text_pieces(path, "utf-8")).splitlines()


def test_cells_are_written_as_excel_stores_them(tmp_path: Path) -> None:
    rows = [*ROWS, [datetime(2026, 3, 2), time(9, 5), True, 'a "b", c', None]]  # noqa: DTZ001
    assert text_of(book(tmp_path / "b.xlsx", HEADER, *rows)) == [
        "Call date,From,To,Duration,Price (EUR)",
        "2026-03-02 09:00:05,49305550101,+442055501012,0:01:30,0.125",
        "2026-03-13 10:00:00,49305550102,+442055501013,26:00:00,1.5",
        '2026-03-02 00:00:00,09:05:00,true,"a ""b"", c",',
    ]


def test_lines_are_numbered_as_the_rows_of_the_sheet(tmp_path: Path) -> None:
    assert text_of(book(tmp_path / "b.xlsx", ["Title"], [], HEADER)) == ["Title", "", ",".join(HEADER)]


def test_a_workbook_is_drafted_and_read(tmp_path: Path) -> None:
    path = book(tmp_path / "b.xlsx", ["Calls of March"], HEADER, *ROWS)
    draft = draft_profile(path, answers={"zone": "Europe/Berlin"})
    rows, rejects, read = normalized(path, read_profile("drafted", draft.text))
    assert (read, rejects.height) == (4, 0)
    columns = rows.select("caller_id_number", "callee_id_number", "duration_seconds", "cost", "cost_currency")
    assert [(*row[:2], int(row[2]), float(row[3]), row[4]) for row in columns.rows()] == [
        ("49305550101", "+442055501012", 90, 0.125, "EUR"),
        ("49305550102", "+442055501013", 93_600, 1.5, "EUR"),
    ]
    assert rows["started_at"].dt.strftime("%d %H:%M:%S").to_list() == ["02 08:00:05", "13 09:00:00"]


def test_an_old_workbook_is_read_as_a_new_one(tmp_path: Path) -> None:
    new = book(tmp_path / "b.xlsx", ["Calls of March"], [], HEADER, *ROWS)
    assert text_of(OLD) == text_of(new)


def test_damaged_workbooks_are_refused(tmp_path: Path) -> None:
    whole = book(tmp_path / "b.xlsx", HEADER, *ROWS).read_bytes()
    # Without this sheet, a reader that skips missing ones would find no calls.
    (tmp_path / "cut.xlsx").write_bytes(whole.replace(b"xl/worksheets/sheet2.xml", b"xl/worksheets/sheet9.xml"))
    (tmp_path / "old.xls").write_bytes(OLD.read_bytes()[:3000])
    with pytest.raises(UnreadableUpload, match="damaged Excel workbook"):
        text_of(tmp_path / "cut.xlsx")
    with pytest.raises(UnreadableUpload, match="damaged Excel workbook, or has a password"):
        text_of(tmp_path / "old.xls")
