"""The prediction of a night agrees with the measured nights and with itself."""

import re

import pytest

from cdr_pipeline.cli.operations.docs import pages
from cdr_pipeline.steps.operations.scaling import PHASES, Plan, predict
from tests.support.commands import run_command


def _measured() -> list[tuple[int, int, dict[str, float]]]:
    """Nights of the page of benchmarks in which everything was new: accounts, records, seconds by phase."""
    text = pages()["explanation/benchmarks"].read_text("utf-8").partition("## A whole night")[2]
    first = re.search(r"^\| nightly job \| (.+) \|$", text, re.MULTILINE)
    assert first is not None
    nights = [(1000, 1_000_000, first[1])]
    for rows, accounts, cells in re.findall(r"^\| ([\d,]+) rows of ([\d,]+) accounts \| (.+) \|$", text, re.MULTILINE):
        nights.append((int(accounts.replace(",", "")), int(rows.replace(",", "")), cells))
    names = ("night", "collect", "load", "reconcile", "files", "seal")
    return [
        (accounts, rows, dict(zip(names, (float(cell.split()[0]) for cell in cells.split(" | ")[:6]), strict=True)))
        for accounts, rows, cells in nights
    ]


def test_every_measured_night_is_within_five_per_cent() -> None:
    nights = _measured()
    assert len(nights) == 4
    for accounts, rows, seconds in nights:
        assert predict(Plan(accounts, rows)).seconds == pytest.approx(seconds["night"], rel=0.05)


def test_every_measured_phase_is_within_a_second_or_a_tenth() -> None:
    for accounts, rows, seconds in _measured():
        for name in set(PHASES) & set(seconds):
            assert PHASES[name].seconds(accounts, rows) == pytest.approx(seconds[name], rel=0.1, abs=1.0)


def test_more_workers_never_lengthen_a_night() -> None:
    nights = [predict(Plan(100_000, 100_000_000, workers)) for workers in (1, 2, 4, 8, 16)]
    assert sorted((night.seconds for night in nights), reverse=True) == [night.seconds for night in nights]
    assert all(night.seconds <= night.most_seconds for night in nights)
    assert nights[0].seconds == nights[0].most_seconds


def test_the_command_prints_time_storage_and_cost() -> None:
    done = run_command(
        "scaling", "--accounts", "1000", "--calls-per-day", "1000000", "--workers", "4", "--core-hour-price", "0.05"
    )
    assert done.returncode == 0
    for text in ("load", "4 workers", "108.0 GB", "a month:"):
        assert text in done.stdout
