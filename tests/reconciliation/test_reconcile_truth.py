"""Days with faults and known truth: every fault alone, all mixed, and the same result whatever the order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.reconcile import reconcile
from cdr_pipeline.core.reconcile.result.reconciled import Reconciled
from tests.support.examples import examples
from tests.support.grading import grade, tied_rows
from tests.support.known_habits import HABITS, MIXED_HABITS, day_with_habit
from tests.support.known_truth import DAY_MS, MIDNIGHT, MIXED, SCENARIOS, calls_of_a_day
from tests.support.sides import NOON, side

_CALLS = 6_000


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_fault_is_seen_for_what_it_is(name: str) -> None:
    faults = SCENARIOS[name]
    truth = calls_of_a_day(_CALLS, faults, seed=7)
    result = reconcile(truth.switch, truth.carrier, truth.rules)
    found = grade(result, truth)
    assert (found.precision, found.recall) >= (0.9999, 0.9998)
    assert found.worst[1] >= 0.995, found.f1
    assert found.amount_error == 0
    base = faults.offset_ms - (30_000 if faults.whole_minutes else 0)
    drift = round(DAY_MS / 2 * faults.drift_ppm * 1e-6)
    assert abs(result.offset["offset_ms"].item() - base - drift) <= 1_000
    assert result.offset["drift_ppm"].item() == pytest.approx(faults.drift_ppm, abs=5)


@pytest.mark.fault("D08")
def test_a_row_in_a_wrong_class_is_flagged_or_nothing_could_tell() -> None:
    truth = calls_of_a_day(20_000, replace(MIXED, redials=0.3, missing_at_carrier=0.05, missing_in_switch=0.05), seed=7)
    result = reconcile(truth.switch, truth.carrier, truth.rules)
    given = [frame.select("row_id", "started_at", "duration_ms") for frame in (truth.switch, truth.carrier)]
    wrong = (
        result.rows.join(truth.classes.select("row_id", true="class"), on="row_id")
        .filter(pl.col("class").cast(pl.String) != pl.col("true"))
        .join(tied_rows(result.pairs, truth.pairs, *given, MIXED), on="row_id", how="left")
    )
    flagged = wrong.filter("ambiguous").height
    assert flagged >= 10
    assert wrong.filter(~pl.col("ambiguous") & ~pl.col("tied").fill_null(value=False)).height == 0
    assert result.rows["ambiguous"].mean() < 0.05


@pytest.mark.parametrize("name", [*HABITS, MIXED_HABITS])
def test_a_habit_of_a_carrier_is_seen_for_what_it_is(name: str) -> None:
    truth = day_with_habit(name, _CALLS, seed=7)
    found = grade(reconcile(truth.switch, truth.carrier, truth.rules), truth)
    assert (found.precision, found.recall) >= (0.9999, 0.9998)
    assert found.worst[1] >= 0.995, found.f1
    assert found.amount_error == 0


@pytest.mark.parametrize("fault", ["rate", "increment", "rounding", "fee", "currency"])
def test_a_wrong_price_is_traced_to_its_cause(fault: str) -> None:
    faults = replace(SCENARIOS["nothing"], wrong_money=0.02, money_fault=fault)
    truth = calls_of_a_day(_CALLS, faults, seed=8)
    result = reconcile(truth.switch, truth.carrier, truth.rules)
    causes = result.pairs.filter(pl.col("class") == "cost_mismatch")["cause"].cast(pl.String)
    assert len(causes) > 30
    assert (causes == fault).mean() >= 0.97


def bytes_of(result: Reconciled) -> list[str]:
    """Everything that is given out, as text."""
    return [frame.write_csv() for frame in (result.pairs, result.rows, result.totals, result.offset)]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_rows_changes_no_byte(seed: int) -> None:
    truth = calls_of_a_day(3_000, replace(MIXED, whole_minutes=True, redials=0.3, one_hot=0.3), seed=seed)
    rules = truth.rules
    one = bytes_of(reconcile(truth.switch, truth.carrier, rules))
    assert one == bytes_of(
        reconcile(truth.switch.reverse(), truth.carrier.sample(fraction=1, shuffle=True, seed=seed), rules)
    )
    assert one == bytes_of(reconcile(truth.switch.sort("callee"), truth.carrier.sort("started_at"), rules))


def test_a_carrier_that_sends_its_day_in_many_files_gets_the_same_result() -> None:
    truth = calls_of_a_day(3_000, MIXED, seed=3)
    files = [truth.carrier[number::7] for number in range(7)]
    whole = reconcile(truth.switch, truth.carrier, truth.rules)
    assert bytes_of(whole) == bytes_of(reconcile(truth.switch, pl.concat(reversed(files)), truth.rules))


def test_files_are_read_in_place_with_the_same_result(tmp_path: Any) -> None:
    truth = calls_of_a_day(2_000, MIXED, seed=4)
    truth.switch.write_parquet(tmp_path / "a.parquet")
    truth.carrier.write_parquet(tmp_path / "b.parquet")
    scanned = reconcile(pl.scan_parquet(tmp_path / "a.parquet"), pl.scan_parquet(tmp_path / "b.parquet"), truth.rules)
    assert bytes_of(scanned) == bytes_of(reconcile(truth.switch, truth.carrier, truth.rules))


def test_days_reconciled_one_by_one_give_the_pairs_of_both_together() -> None:
    faults = replace(MIXED, offset_ms=2_000, late=0.0)
    truth = calls_of_a_day(6_000, faults, seed=5, days=2)
    rules = replace(truth.rules, offset_ms=2_000)
    midnights = [datetime.fromtimestamp(MIDNIGHT / 1_000, UTC) + timedelta(days=day) for day in range(3)]
    whole = reconcile(truth.switch, truth.carrier, replace(rules, interval=(midnights[0], midnights[2])))
    parts = []
    for first, end in pairwise(midnights):
        around = pl.col("started_at").is_between(first - timedelta(hours=1), end + timedelta(hours=1))
        parts.append(
            reconcile(truth.switch.filter(around), truth.carrier.filter(around), replace(rules, interval=(first, end)))
        )
    columns = ["switch_row_id", "carrier_row_id", "class"]
    together = whole.pairs.select(columns).sort(columns)
    assert pl.concat([part.pairs.select(columns) for part in parts]).sort(columns).equals(together)
    rows = pl.concat([part.rows for part in parts])
    assert not rows.select("side", "row_id").is_duplicated().any()
    assert rows.height == whole.rows.height == truth.switch.height + truth.carrier.height


CALLS = st.fixed_dictionaries(
    {
        "at": st.integers(0, 90),
        "callee": st.sampled_from(["+49301", "+49302"]),
        "caller": st.sampled_from(["+49401", "+49402", None]),
        "duration_ms": st.sampled_from([0, 6_000, 60_000, 61_000, 63_000, 200_000]),
        "amount": st.sampled_from([None, Decimal("0.1"), Decimal("0.2")]),
        "answered": st.sampled_from([True, True, True, False]),
    }
)


@given(st.lists(CALLS, max_size=7), st.lists(CALLS, max_size=7), st.randoms())
@settings(max_examples=examples(150))
def test_any_rows_have_one_class_each_and_no_row_two_partners(ours: Any, theirs: Any, random: Any) -> None:
    a, b = side(*ours), side(*theirs, prefix="b")
    result = reconcile(a, b, Rules(currency="EUR"))
    assert sorted(result.rows["row_id"]) == sorted([*a["row_id"], *b["row_id"]])
    assert result.pairs["switch_row_id"].is_unique().all()
    assert result.pairs["carrier_row_id"].is_unique().all()
    classes = dict(result.rows.select("row_id", "class").rows())
    for one, other, name in result.pairs.select("switch_row_id", "carrier_row_id", "class").rows():
        assert classes[one] == classes[other] == name
    charged = result.totals.filter(pl.col("side") == "carrier")["amount"].sum() or 0
    assert charged == sum(call["amount"] or 0 for call in theirs)
    order = list(range(len(ours)))
    random.shuffle(order)
    assert bytes_of(reconcile(a[order], b, Rules(currency="EUR"))) == bytes_of(result)


def test_a_hot_number_in_one_minute_is_bounded() -> None:
    """D08 at its worst: a thousand equal calls against nine hundred equal records, in one second."""
    result = reconcile(side(*[{}] * 1_000), side(*[{"started_at": NOON}] * 900, prefix="b"), Rules(currency="EUR"))
    classes = dict(result.rows.group_by("class", "side").len().select(pl.concat_str("side", "class"), "len").rows())
    assert classes == {"switchmatched": 900, "switchdup_a": 100, "carriermatched": 900}
