"""Controls of completeness: value, threshold, evidence."""

from datetime import date
from decimal import Decimal

import pytest

from cdr_pipeline.core.reconcile.result.controls import (
    NO_CALLS,
    ControlName,
    DayControl,
    SourceDay,
    judge_series,
    judge_traffic,
    judge_values,
)

USUAL = SourceDay(100, Decimal(300), {9: 60, 10: 40})


def judged(day: SourceDay, *earlier: SourceDay) -> dict[ControlName, DayControl]:
    return {control.name: control for control in judge_traffic("acct", "bell", day, earlier)}


def test_a_usual_day_passes_and_shows_what_it_was_compared_with() -> None:
    found = judged(USUAL, USUAL, USUAL)
    assert all(control.passed for control in found.values())
    assert found[ControlName.CALLS].value == "100"
    assert found[ControlName.CALLS].threshold == "30 to 300"
    assert found[ControlName.CALLS].evidence == "same weekday before: 100, 100"


@pytest.mark.parametrize(("calls", "passed"), [(29, False), (30, True), (300, True), (301, False)])
def test_far_fewer_or_far_more_calls_than_usual_fail(calls: int, passed: bool) -> None:
    assert judged(SourceDay(calls, Decimal(300), {9: calls}), USUAL)[ControlName.CALLS].passed is passed


def test_minutes_are_judged_by_themselves() -> None:
    found = judged(SourceDay(100, Decimal(10), {9: 60, 10: 40}), USUAL)
    assert found[ControlName.CALLS].passed
    assert not found[ControlName.MINUTES].passed


def test_a_busy_hour_without_a_call_fails_and_is_named() -> None:
    found = judged(SourceDay(100, Decimal(300), {9: 100}), USUAL, USUAL)[ControlName.HOURS]
    assert not found.passed
    assert found.evidence == "10 h UTC: usually 40 calls"


def test_an_empty_day_of_a_busy_source_fails_everything() -> None:
    assert not any(control.passed for control in judged(NO_CALLS, USUAL).values())


def test_without_earlier_days_nothing_is_judged() -> None:
    assert all(control.passed for control in judged(NO_CALLS).values())


def test_absurd_values_are_counted_by_kind() -> None:
    assert judge_values("acct", "switch", {"in_future": 0, "dear": 0}).passed
    found = judge_values("acct", "switch", {"in_future": 2, "longer_than_a_day": 1})
    assert (found.passed, found.value, found.evidence) == (False, "3", "2 in future, 1 longer than a day")


def test_what_a_series_lacks_is_named() -> None:
    assert judge_series("acct", "bell", (), ()).passed
    found = judge_series("acct", "bell", [date(2026, 3, 1)], [7])
    assert (found.passed, found.evidence) == (False, "2026-03-01, number 7")
