"""Numbers that carriers write in their own way: other notations, masked digits, replaced and withheld callers."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.reconcile.inputs.presented import presented_caller
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.inputs.sides import NumberRules, carrier_side
from cdr_pipeline.core.reconcile.reconcile import reconcile
from cdr_pipeline.core.reconcile.result.reconciled import Reconciled
from tests.support.records import rows
from tests.support.sides import classes_of, pairs_of, side

RULES = Rules(currency="EUR")


def calls(count: int = 40) -> list[dict[str, Any]]:
    """Calls of different callers to different numbers, one a minute."""
    return [
        {
            "at": 60 * n,
            "caller": f"+4930{5_000_000 + 7_919 * n}",
            "callee": f"+4989{3_000_000 + 1_237 * n}",
            "duration_ms": (30 + n) * 1_000,
        }
        for n in range(count)
    ]


def compared(
    records: list[dict[str, Any]], rules: Rules = RULES, legs: list[dict[str, Any]] | None = None
) -> Reconciled:
    return reconcile(side(*(legs or calls(len(records)))), side(*records, prefix="b"), rules)


def matched(result: Reconciled) -> int:
    return sum(found == "matched" for _, _, found in pairs_of(result))


def test_calls_are_paired_by_called_number_if_every_caller_is_the_trunk() -> None:
    result = compared([call | {"caller": "+4930555000"} for call in calls()])
    assert matched(result) == 40
    assert set(result.pairs["detail"]) == {"the caller differs"}
    assert "they agree on 0 of 40 compared calls" in result.findings[0]


def test_a_replaced_caller_on_some_calls_leaves_the_others_compared() -> None:
    records = [call | ({"caller": "+4930555000"} if n % 4 == 0 else {}) for n, call in enumerate(calls())]
    result = compared(records)
    assert matched(result) == 40
    assert result.pairs["detail"].null_count() == 30


def test_required_callers_must_agree() -> None:
    result = compared([call | {"caller": "+4930555000"} for call in calls()], Rules(currency="EUR", caller="required"))
    assert result.pairs.is_empty()


def test_ignored_callers_are_not_compared() -> None:
    records = [call | {"caller": f"+4930{1_000_000 + n}"} for n, call in enumerate(calls(4))]
    assert matched(compared(records, Rules(currency="EUR", caller="ignored"))) == 4


def test_a_transferred_leg_is_paired_by_called_number_time_and_length() -> None:
    records = [call | ({"caller": "+4930777777"} if n == 7 else {}) for n, call in enumerate(calls())]
    result = compared(records)
    assert matched(result) == 40
    assert result.pairs.filter(pl.col("detail").is_not_null())["switch_row_id"].to_list() == ["a8"]


def test_another_caller_and_another_length_are_another_call() -> None:
    records = calls()
    records[7] |= {"caller": "+4930777777", "duration_ms": 90_000}
    assert matched(compared(records)) == 39


@pytest.mark.parametrize(
    "written",
    [
        lambda number: number[1:],
        lambda number: number[3:],
        lambda number: f"0011{number[1:]}",
        lambda number: f"9{hash(number) % 3}78#{number[1:]}",
        lambda number: f"D145{number[1:]}",
    ],
    ids=["without plus", "national without 0", "0011", "technical prefixes", "routing number"],
)
def test_called_numbers_in_another_notation_fit(written: Any) -> None:
    assert matched(compared([call | {"callee": written(call["callee"])} for call in calls()])) == 40


def test_a_number_that_ends_like_two_numbers_is_not_guessed() -> None:
    legs = [{"callee": "+493012345678"}, {"callee": "+498912345678", "at": 600}]
    assert compared([{"callee": "12345678"}], legs=legs).pairs.is_empty()


@pytest.mark.parametrize("written", [lambda n: n[:-3] + "XXX", lambda n: "******" + n[-6:]], ids=["end", "beginning"])
def test_masked_called_numbers_are_compared_by_their_visible_digits(written: Any) -> None:
    result = compared([call | {"callee": written(call["callee"])} for call in calls()])
    assert matched(result) == 40
    assert "called numbers are masked" in result.findings[0]


def test_numbers_known_by_their_last_digits_are_compared_by_these() -> None:
    records = [call | {"callee": call["callee"][-5:], "caller": call["caller"][-5:]} for call in calls()]
    assert matched(compared(records, Rules(currency="EUR", digits=5))) == 40


def test_a_file_of_other_numbers_is_named_with_masked_examples() -> None:
    result = compared([call | {"callee": f"+33{600_000_000 + n}", "at": 0} for n, call in enumerate(calls())])
    (finding,) = [text for text in result.findings if "fits" in text]
    assert "+336xxxxxxxx" in finding
    assert "+498xxxxxxxx" in finding


@pytest.mark.parametrize(
    "text",
    [
        "CLIR", "0", "00000000", "asserted-id-hidden", "PAYPHONE", '"Anonymous" <anonymous>', "XXXXXXXXXX", "4930XXXX",
        "sip:anonymous@host.invalid", "4930****", "anonymous", "Restricted", "-", "n/a", "", " ", "+266696687",
        "tel:unavailable", "id@anonymous.invalid",
    ],
)  # fmt: skip
def test_a_withheld_caller_is_recognised_by_rule(text: str) -> None:
    assert pl.select(presented_caller(pl.lit(text))).item() is None


@pytest.mark.parametrize("text", ["+4930123456", "1001", "sip:1001@pbx.example", "030 123456", "49x30"])
def test_a_number_is_a_presented_caller(text: str) -> None:
    assert pl.select(presented_caller(pl.lit(text))).item() == text.lower()


@pytest.mark.parametrize(("text", "presented"), [("Alice", "alice"), ("Anonymous", None), ("XXXX", None), ("0", None)])
def test_a_switch_may_present_names(text: str, presented: str | None) -> None:
    assert pl.select(presented_caller(pl.lit(text), names=True)).item() == presented


def test_a_profile_adds_texts_for_withheld_callers() -> None:
    assert pl.select(presented_caller(pl.lit("99999"), ["^9+$"])).item() is None


def test_number_rules_remove_prefixes_and_translate_numbers() -> None:
    record = {
        "record_id": "r", "started_at": datetime(2026, 3, 2, tzinfo=UTC), "billing_seconds": Decimal(60),
        "caller_id_number": "99999",
    }  # fmt: skip
    frame = rows(
        record | {"callee_id_number": "1234#0893000001"},
        record | {"record_id": "s", "callee_id_number": "77089300000", "caller_id_number": "0301234567"},
        record | {"record_id": "t", "callee_id_number": "08001234567", "callee_e164": "+498001234567"},
    )
    rules = NumberRules(("[0-9]{4}#", "77"), {"08001234567": "+4989555000"}, ("^9+$",), NumberPlan("49"))
    found = carrier_side(frame, numbers=rules)
    assert found["callee"].to_list() == ["+49893000001", "+4989300000", "+4989555000"]
    assert found["caller"].to_list()[0] is None


def test_callers_in_another_notation_fit() -> None:
    result = compared([call | {"caller": call["caller"][1:]} for call in calls()])
    assert matched(result) == 40
    assert classes_of(result)["b1"] == "matched"
    assert result.findings == ()
