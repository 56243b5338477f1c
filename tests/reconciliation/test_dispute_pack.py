"""The pack for the carrier holds the claims and nothing else; looked for in the bytes of its files."""

import csv
import zipfile
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from cdr_pipeline.core.reconcile.classify.classes import MatchClass
from cdr_pipeline.core.reconcile.result.breaks import Break, claims_of
from cdr_pipeline.exports.break_tables import WrittenPack
from cdr_pipeline.exports.dispute_pack import write_dispute_pack
from cdr_pipeline.exports.reconciliation_words import CLAIMS

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
SECRET_ACCOUNT = "4d1b6f0e9acc0417"


def a_break(name: str, **changes: object) -> Break:
    """A disputed overcharge; its texts contain ``name``, so that it can be found in the bytes."""
    base: dict[str, object] = {field.name: None for field in fields(Break)}
    base |= {
        "account_id": SECRET_ACCOUNT, "carrier": "bell", "business_date": DAY, "outcome_id": f"{name}-outcome",
        "match_class": "cost_mismatch", "cause": "increment", "detail": "60/60 instead of 1/1", "ambiguous": False,
        "destination": "Germany", "exposure": Decimal("0.25"), "currency": "EUR", "found_at": NOON,
        "call_started_at": datetime(2026, 3, 2, 8, tzinfo=UTC), "caller_id_name": f"{name} Customer Ltd",
        "switch_record_id": f"{name}-leg", "switch_call_id": f"{name}-call", "switch_caller": "+442079460001",
        "switch_callee": "+447700900001", "switch_started_at": datetime(2026, 3, 2, 8, tzinfo=UTC),
        "switch_seconds": Decimal(61), "switch_amount": Decimal("7.7777"), "agreed_rate": Decimal("0.60"),
        "expected_amount": Decimal("0.61"), "carrier_record_id": f"{name}-record", "carrier_caller": "02079460001",
        "carrier_callee": "0044 7700 900001", "carrier_started_at": datetime(2026, 3, 2, 8, tzinfo=UTC),
        "carrier_seconds": Decimal(120), "carrier_amount": Decimal("0.86"), "carrier_file": "march.csv",
        "carrier_line": 7, "decision": "disputed", "reason": f"{name} reason", "decided_by": f"{name} Controller",
    }  # fmt: skip
    return Break(**(base | changes))  # type: ignore[arg-type]


def packed(tmp_path: Path, breaks: list[Break], *, undecided: bool = False) -> WrittenPack:
    return write_dispute_pack(
        claims_of(breaks, undecided=undecided),
        folder=tmp_path,
        account_id=SECRET_ACCOUNT,
        carrier="bell",
        day=DAY,
        zone="Europe/Berlin",
        made_at=NOON,
    )


def content(pack: WrittenPack) -> str:
    """Everything that the carrier can read in the two files, and their names."""
    with zipfile.ZipFile(pack.workbook) as book:
        sheets = "".join(book.read(name).decode() for name in book.namelist())
    return pack.workbook.name + pack.csv_file.read_text() + sheets


def test_a_claim_has_both_sides_rate_expected_amount_and_rule(tmp_path: Path) -> None:
    pack = packed(tmp_path, [a_break("claimed")])
    (row,) = csv.DictReader(pack.csv_file.read_text().splitlines())
    assert (row["claim"], row["rule"]) == ("price too high", "billing increment: 60/60 instead of 1/1")
    assert (row["agreed_rate"], row["expected_amount"], row["charged_amount"]) == ("0.60", "0.61", "0.86")
    assert (row["claimed_amount"], row["currency"]) == ("0.25", "EUR")
    assert (row["our_seconds"], row["your_seconds"], row["our_called"]) == ("61", "120", "+447700900001")
    assert (row["your_file"], row["your_line"], row["your_record_id"]) == ("march.csv", "7", "claimed-record")


HIDDEN: dict[str, dict[str, object]] = {
    "a call that they forgot to bill": {
        "match_class": "missing_at_carrier", "exposure": Decimal(0), "carrier_record_id": None,
    },
    "a call that they forgot to bill, with money": {"match_class": "missing_at_carrier"},
    "our own duplicate": {"match_class": "dup_a"},
    "an undercharge": {"exposure": Decimal("-0.25")},
    "a dispute without money": {"match_class": "time_mismatch", "exposure": Decimal(0)},
    "an accepted break": {"decision": "accepted"},
    "a credited break": {"decision": "credited"},
    "a break without a decision": {"decision": None},
}  # fmt: skip


@pytest.mark.parametrize("kind", HIDDEN)
def test_the_pack_never_contains(tmp_path: Path, kind: str) -> None:
    text = content(packed(tmp_path, [a_break("claimed"), a_break("kept-back", **HIDDEN[kind])]))
    assert "claimed-outcome" in text
    assert "kept-back" not in text


@pytest.mark.parametrize("kind", [kind for kind in HIDDEN if "without a decision" not in kind])
def test_with_undecided_breaks_it_still_never_contains(tmp_path: Path, kind: str) -> None:
    changes = HIDDEN[kind]
    state = changes if "decision" in changes else changes | {"decision": None}
    text = content(packed(tmp_path, [a_break("claimed"), a_break("kept-back", **state)], undecided=True))
    assert "kept-back" not in text


def test_undecided_overcharges_are_claimed_by_choice(tmp_path: Path) -> None:
    breaks = [a_break("claimed"), a_break("undecided", decision=None)]
    assert "undecided-outcome" in content(packed(tmp_path, breaks, undecided=True))


@pytest.mark.parametrize(
    "secret", ["Customer", SECRET_ACCOUNT, "7.7777", "claimed-leg", "reason", "Controller", "disputed", "olerat"]
)
def test_nothing_about_us_but_the_calls_is_in_the_pack(tmp_path: Path, secret: str) -> None:
    assert secret not in content(packed(tmp_path, [a_break("claimed")]))


def test_a_record_of_theirs_alone_is_in_their_notation(tmp_path: Path) -> None:
    ours = {field.name: None for field in fields(Break) if field.name.startswith("switch_")}
    extra = a_break("extra", **ours, match_class="missing_in_switch", cause=None, detail=None, expected_amount=None)
    (row,) = csv.DictReader(packed(tmp_path, [extra]).csv_file.read_text().splitlines())
    assert (row["your_caller"], row["your_called"]) == ("02079460001", "0044 7700 900001")
    assert row["your_start"] == "2026-03-02 09:00:00+01:00"
    assert (row["claim"], row["expected_amount"]) == ("call unknown to us", "0")
    assert {row[name] for name in row if name.startswith("our_")} == {""}


def test_claims_add_up_by_rule_and_currency(tmp_path: Path) -> None:
    pack = packed(tmp_path, [a_break("one"), a_break("two"), a_break("three", carrier_currency="USD")])
    with zipfile.ZipFile(pack.workbook) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count("<v>0.5</v>") == 2
    assert sheet.count("<v>0.25</v>") == 2


def test_every_class_that_can_be_claimed_has_a_name_for_the_carrier() -> None:
    never = {MatchClass.MISSING_AT_CARRIER, MatchClass.DUP_A, MatchClass.REJECTED}
    assert set(CLAIMS) == {item.value for item in MatchClass if item.is_break and item not in never}
