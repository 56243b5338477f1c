"""Rejected lines of files belong to days: manifests count them, nights name them, and a person can dismiss them."""

from datetime import date
from pathlib import Path

import pytest

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.exports.manifest import Manifest
from cdr_pipeline.steps.operations.health import ROWS_REJECTED, Problem, find_problems
from cdr_pipeline.steps.operations.night_report import night_report
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.exported_upload import export_upload
from cdr_pipeline.steps.uploads.rejects import DismissRequest, dismiss_rejects, export_rejects, replay_rejects
from tests.support.days import ACCOUNT, DAY, collected, export
from tests.support.nights import warehouse
from tests.support.uploads import carrier_row, carrier_text, fed

NEXT = date(2026, 3, 3)
ON_NEXT = "2026-03-03T09:00:00Z"


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """Two collected days."""
    for day in (DAY, NEXT):
        collected(ctx, day)
    return ctx


def manifest(ctx: RunContext, day: date = DAY) -> Manifest:
    file = export(ctx, day).file
    assert file is not None
    return file.manifest


def rejects_named(ctx: RunContext) -> list[Problem]:
    return [problem for problem in find_problems(ctx) if problem.code == ROWS_REJECTED]


def test_a_rejected_line_counts_on_the_day_of_its_start(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "f.csv", carrier_text(1, 2) + carrier_row(3, start=ON_NEXT, billed="x"))
    assert (manifest(place).rejected_rows, manifest(place, NEXT).rejected_rows) == (0, 1)


def test_a_line_without_a_start_counts_on_the_day_of_its_file(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "f.csv", carrier_text(1, 2) + carrier_row(3, start=ON_NEXT) + "cut\n")
    assert (manifest(place).rejected_rows, manifest(place, NEXT).rejected_rows) == (1, 0)


def test_a_line_of_the_far_future_counts_on_the_day_of_its_file(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "f.csv", carrier_text(1, 2) + carrier_row(3, start="2199-03-03T09:00:00Z"))
    assert manifest(place).rejected_rows == 1


def test_the_manifest_of_an_open_day_follows_when_only_rejects_come(place: RunContext, tmp_path: Path) -> None:
    assert manifest(place, NEXT).rejected_rows == 0
    loaded = fed(place, tmp_path / "f.csv", carrier_text(1) + carrier_row(3, start=ON_NEXT, billed="x"))
    written = {item.business_date: item.file for item in export_upload(loaded, place)}
    assert written[NEXT] is not None
    assert written[NEXT].manifest.rejected_rows == 1


def test_the_same_file_again_changes_no_day(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "f.csv", carrier_text(1) + "cut\n")
    before = warehouse(place, "SELECT business_date, changes FROM days ORDER BY 1")
    fed(place, tmp_path / "f.csv", carrier_text(1) + "cut\n")
    assert warehouse(place, "SELECT business_date, changes FROM days ORDER BY 1") == before


def test_a_corrected_line_is_counted_as_corrected(place: RunContext, tmp_path: Path) -> None:
    loaded = fed(place, tmp_path / "f.csv", carrier_text(1) + carrier_row(2, start=ON_NEXT, billed="x"))
    assert manifest(place, NEXT).rejected_rows == 1
    text = "".join(export_rejects(loaded.sha256[:12], place).lines).replace(",x,", ",60,")
    (tmp_path / "r.csv").write_text(text)
    replay_rejects(tmp_path / "r.csv", place)
    after = manifest(place, NEXT)
    assert (after.rejected_rows, after.corrected_rows) == (0, 1)
    assert rejects_named(place) == []


def test_a_night_with_rejected_rows_is_not_good(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "f.csv", carrier_text(1) + "cut\n")
    manifest(place)
    report = night_report(DAY, place)
    assert not report.good
    assert "1 row rejected and in no file" in report.verdict
    (problem,) = rejects_named(place)
    assert "ragged_row" in problem.what
    assert problem.command.startswith("cdr-pipeline rejects export ")
    # Lines that are no calls cannot be corrected.
    assert problem.otherwise.startswith("cdr-pipeline rejects dismiss ")


def test_dismissed_rows_are_no_problem_and_stay_in_the_manifest(place: RunContext, tmp_path: Path) -> None:
    loaded = fed(place, tmp_path / "f.csv", carrier_text(1) + "cut\n")
    assert dismiss_rejects(DismissRequest("A. Person", "a footer", loaded.sha256[:12]), place).rows == 1
    assert rejects_named(place) == []
    assert night_report(DAY, place).rejected_rows == 0
    assert manifest(place).rejected_rows == 1
    decided = "SELECT state, decided_by, decision_reason FROM rejects"
    assert warehouse(place, decided) == [("dismissed", "A. Person", "a footer")]


def test_rows_of_a_day_are_dismissed_by_date(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "f.csv", carrier_text(1) + "cut\n" + carrier_row(3, start=ON_NEXT, billed="x"))
    request = DismissRequest("A. Person", "no call", business_date=NEXT, accounts=[ACCOUNT])
    assert dismiss_rejects(request, place).rows == 1
    assert warehouse(place, "SELECT business_date, state FROM rejects ORDER BY 1") == [
        (DAY, "open"),
        (NEXT, "dismissed"),
    ]


@pytest.mark.parametrize("request_", [DismissRequest("A. Person", "no call"), DismissRequest(" ", "no call", "abc")])
def test_a_dismissal_needs_rows_and_a_person(place: RunContext, request_: DismissRequest) -> None:
    with pytest.raises(ConfigurationError):
        dismiss_rejects(request_, place)
