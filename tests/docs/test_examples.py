"""The examples in ``cdr_pipeline/docs/examples`` load, and their profiles read files."""

import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from cdr_pipeline.cli.operations.docs import FOLDER
from cdr_pipeline.core.reconcile.inputs.rates import Increment
from cdr_pipeline.exports.delivery.targets import load_targets
from cdr_pipeline.sources.inbound.places import load_places
from cdr_pipeline.sources.rate_cards import read_rate_card
from cdr_pipeline.sources.uploads.profiles import check_profile
from tests.support.uploads import normalized

EXAMPLES = FOLDER / "examples"
CARRIER_FILE = (
    "Call reference;Calling party;Called party;Date;Time;Seconds;Billed seconds;Charge\n"
    "r1;030123456;+15551234567;24.11.2026;09:15:00;61;66;0,0123\n"
    "TOTAL;1;61\n"
)
JSON_FILE = (
    '{"uuid": "u1", "caller": "4930123456", "caller_name": "Front desk", "callee": "15551234567", "direction": "out",'
    ' "created": 1795512900000, "answered": 0, "hungup": 1795512930000, "duration": 30, "cause": "NO_ANSWER"}\n'
)


def test_the_carrier_profile_reads_its_file(tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text(CARRIER_FILE)
    rows, rejects, _ = normalized(tmp_path / "calls.csv", check_profile(EXAMPLES / "mycarrier.toml"))
    assert rejects.height == 0
    (row,) = rows.to_dicts()
    assert (row["caller_e164"], row["callee_e164"]) == ("+4930123456", "+15551234567")
    assert (row["cost"], row["cost_currency"], row["billing_seconds"]) == (Decimal("0.0123"), "EUR", 66)


def test_the_json_profile_reads_its_file(tmp_path: Path) -> None:
    (tmp_path / "calls.json").write_text(JSON_FILE)
    rows, rejects, _ = normalized(tmp_path / "calls.json", check_profile(EXAMPLES / "webhook_json.toml"))
    assert rejects.height == 0
    (row,) = rows.to_dicts()
    assert (row["call_direction"], row["answered_at"], row["duration_seconds"]) == ("outbound", None, 30)


@pytest.mark.parametrize(("day", "price"), [(date(2026, 6, 30), "0.0150"), (date(2026, 7, 1), "0.0120")])
def test_the_rate_card_has_the_price_of_the_day(day: date, price: str) -> None:
    card = read_rate_card(
        EXAMPLES / "mycarrier_rates.csv", day, steps=Increment(60, 1), currency="EUR", places=4, rounding="half_up"
    )
    assert {rate.prefix: rate.per_minute for rate in card.rates}["43"] == Decimal(price)


def test_the_targets_are_one_of_each_kind(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "targets.toml", tmp_path)
    (tmp_path / "targets.toml").chmod(0o600)
    assert sorted(target.kind for target in load_targets(tmp_path / "targets.toml")) == ["folder", "s3", "sftp"]


def test_the_places_are_one_of_each_kind(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "inbound.toml", tmp_path)
    (tmp_path / "inbound.toml").chmod(0o600)
    assert sorted(place.kind for place in load_places(tmp_path / "inbound.toml")) == [
        "folder", "ftps", "https", "imap", "s3", "sftp",
    ]  # fmt: skip
