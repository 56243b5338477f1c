"""Files of an open day that are on disk with the right bytes are not written again to seal it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from cdr_pipeline.exports import placed_files
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.steps.days import day_files
from cdr_pipeline.steps.run_context import RunContext
from tests.support.days import DAY, collected, deliver, export, manifest, seal

PRICED = {"cost": Decimal("0.5"), "cost_currency": "EUR"}


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """A day of two records that was collected whole, past its grace period; its files have three dialects."""
    settings = ctx.settings.model_copy(update={"export_dialects": "exact,spreadsheet,parquet"})
    place = replace(ctx, settings=settings, clock=lambda: ctx.clock() + timedelta(days=10))
    collected(place)
    deliver(place, PRICED | {"record_id": "one"}, PRICED | {"record_id": "two"})
    return place


def _written(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> bool:
    """Whether the act writes the exact file."""
    written: list[bool] = []
    real = day_files.write_daily_file

    def noted(*args: object, **options: object) -> object:
        written.append(True)
        return real(*args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(day_files, "write_daily_file", noted)
        act()
    return bool(written)


def _exact(ctx: RunContext) -> Path:
    exported = export(ctx)
    assert exported.file is not None
    return exported.file.path


def test_a_day_is_sealed_with_the_files_of_its_export(place: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _exact(place)
    before, content = manifest(path), path.read_bytes()

    assert not _written(monkeypatch, lambda: seal(place))

    assert path.read_bytes() == content
    assert manifest(path).state == "sealed"
    assert replace(manifest(path), state="open").equal_content(before)
    assert len(verify_tree(place.settings.export_dir)) == 3
    assert not any(verify_tree(place.settings.export_dir).values())


def test_the_sealed_manifest_is_that_of_files_written_anew(place: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _exact(place)
    exported = path.read_bytes()
    monkeypatch.setattr(day_files, "placed_files", lambda *_: None)

    assert _written(monkeypatch, lambda: seal(place))

    assert path.read_bytes() == exported


def test_a_record_that_comes_after_the_export_is_sealed(place: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _exact(place)
    deliver(place, PRICED | {"record_id": "three"})

    assert _written(monkeypatch, lambda: seal(place))

    assert manifest(path).rows == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [('"legs": 2', '"legs": 3'), ('"EUR": "1.00000000"', '"EUR": "9.00000000"'), ('"rows": 2', '"rows": 1')],
    ids=["legs", "money", "rows"],
)
def test_wrong_totals_on_disk_are_never_sealed(
    place: RunContext, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    path = _exact(place)
    right = manifest(path)
    note = manifest_path(path)
    assert old in note.read_text()
    note.write_text(note.read_text().replace(old, new))

    assert _written(monkeypatch, lambda: seal(place))

    assert manifest(path).totals == right.totals
    assert manifest(path).rows == 2


def test_other_bytes_on_disk_are_never_sealed(place: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _exact(place)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"EUR", b"USD"))

    assert _written(monkeypatch, lambda: seal(place))

    assert path.read_bytes() == content


def test_files_of_another_version_are_written_anew(place: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    _exact(place)
    monkeypatch.setattr(placed_files, "__version__", "999")

    assert _written(monkeypatch, lambda: seal(place))


def test_a_dialect_that_is_new_or_redacted_writes_all_files(place: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    _exact(place)
    more = place.settings.model_copy(update={"export_dialects": "exact,spreadsheet,parquet,xlsx"})

    assert _written(monkeypatch, lambda: seal(replace(place, settings=more)))

    assert len(list(place.settings.export_dir.rglob(f"*{DAY}*.xlsx"))) == 1
