"""A night again without changes reads, packs and merges nothing; changed rules or damaged pages are read."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.collect import load_day as loading
from cdr_pipeline.steps.run_context import RunContext
from tests.support.nights import night, playing, records_of, require_sound, truth_of, warehouse


@pytest.fixture
def switch() -> SimulatedSwitch:
    return SimulatedSwitch.build(calls_per_day=40, accounts=2)


@pytest.fixture
def place(ctx: RunContext, switch: SimulatedSwitch) -> Iterator[RunContext]:
    """Two accounts whose day was collected and loaded once, in windows of several pages."""
    with run_switch(switch) as running:
        place = playing(ctx, switch, running.url, api_page_size=9)
        collected, loaded = night(place)
        assert collected.failures == loaded.failures == ()
        yield place


def _landed(place: RunContext) -> set[Path]:
    return {path for path in place.settings.landing_dir.rglob("*") if path.is_file()}


def _reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Landing files that are read from now on."""
    read: list[Path] = []
    normalized = loading.normalized_chunks

    def reading(landing: Any, *args: Any, **more: Any) -> Any:
        read.append(landing.path)
        return normalized(landing, *args, **more)

    monkeypatch.setattr(loading, "normalized_chunks", reading)
    monkeypatch.setattr(loading, "read_small_windows", lambda *_, **__: {})
    return read


def test_the_same_night_again_is_known_from_the_ledger(
    place: RunContext, switch: SimulatedSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, files, records = _loaded_counts(place), _landed(place), records_of(place)
    read = _reads(monkeypatch)
    for _ in range(2):
        collected, loaded = night(place)
        assert collected.failures == loaded.failures == loaded.incomplete == ()
        assert [account.windows for account in collected.accounts] == [0, 0]
        assert all(account.unchanged for account in collected.accounts)
        assert loaded.counts == BatchCounts(
            read=before.read, unchanged=before.inserted + before.unchanged, duplicate=before.duplicate
        )
    assert read == []
    assert _landed(place) == files
    assert records_of(place) == records
    assert set(records) == truth_of(switch)
    require_sound(place)


def test_other_rules_read_the_landed_pages_again(place: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    files, read = _landed(place), _reads(monkeypatch)
    other = replace(place, settings=place.settings.model_copy(update={"api_tech_prefix": "99"}))
    collected, loaded = night(other)
    assert collected.failures == loaded.failures == ()
    assert _landed(place) == files
    assert set(read) == {path for path in files if path.suffix == ".gz"}


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"\x00")], ids=["missing", "changed"])
def test_pages_that_are_damaged_land_again(place: RunContext, damage: Any) -> None:
    for path in _landed(place):
        if path.suffix == ".gz":
            damage(path)
    other = replace(place, settings=place.settings.model_copy(update={"api_tech_prefix": "99"}))
    night(other)
    collected, loaded = night(other)
    assert collected.failures == ()
    assert loaded.failures == loaded.incomplete == ()
    assert warehouse(place, "SELECT count(*) FROM windows WHERE state <> 'loaded'") == [(0,)]


def _loaded_counts(place: RunContext) -> BatchCounts:
    """Rows of all batches by class."""
    columns = ("read", "inserted", "updated", "unchanged", "duplicate", "rejected", "filtered")
    (row,) = warehouse(place, f"SELECT {', '.join(f'sum(rows_{column})::int' for column in columns)} FROM batches")
    return BatchCounts(**dict(zip(columns, row, strict=True)))
