"""How a carrier is reconciled: the section of its profile, its legs, its prices."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from cdr_pipeline.core.reconcile.inputs.carrier_rules import CarrierRules, billing_steps, is_compared, matching_rules
from cdr_pipeline.core.reconcile.inputs.rates import Increment, RateCard
from cdr_pipeline.errors import InvalidProfile, InvalidRateCard
from cdr_pipeline.sources.rate_cards import read_rate_card
from cdr_pipeline.sources.uploads.profiles import check_profile, list_profiles
from tests.support.records import rows

DAY = date(2026, 3, 2)
PROFILE = '[time]\nnotation = "any"\n[fields]\nstarted_at = "start"\n[reconcile]\n'


def section(tmp_path: Path, text: str) -> CarrierRules:
    path = tmp_path / "bell.toml"
    path.write_text(PROFILE + text)
    return check_profile(path).reconcile


def card(tmp_path: Path, text: str) -> RateCard:
    path = tmp_path / "bell.csv"
    path.write_text(text)
    return read_rate_card(path, DAY, steps=Increment(60, 6), currency="USD", places=4, rounding="half_up")


def test_every_shipped_profile_can_be_reconciled() -> None:
    for profile in list_profiles().values():
        rating = profile.rating
        steps = billing_steps(
            profile.reconcile, increment_seconds=rating.increment_seconds, minimum_seconds=rating.minimum_seconds
        )
        assert matching_rules(
            profile.reconcile, increment=steps, currency=profile.currency, precision=profile.time_precision
        )


def test_what_a_section_says_becomes_the_matchers_rules(tmp_path: Path) -> None:
    said = section(
        tmp_path, 'increments = "60/6"\nwindow_seconds = 5\namount_tolerance = 0.001\noffset_seconds = 3600\n'
    )
    steps = billing_steps(said, increment_seconds=1, minimum_seconds=1)
    rules = matching_rules(said, increment=steps, currency="EUR", precision="minute")
    assert (rules.increment, rules.window_ms, rules.offset_ms) == (Increment(60, 6), 5_000, 3_600_000)
    assert (rules.amount_tolerance, rules.currency, rules.precision_ms) == (Decimal("0.001"), "EUR", 60_000)


@pytest.mark.parametrize(
    "text", ['increments = "6"', 'increments = "0/6"', 'rate_card = "../x.csv"', "window = 3", 'direction = "up"']
)
def test_a_section_that_cannot_be_followed_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidProfile):
        section(tmp_path, text)


def test_without_trunks_calls_to_extensions_are_not_the_carriers() -> None:
    frame = rows(
        {"call_direction": "outbound", "callee_id_number": "+447700900001", "callee_e164": "+447700900001"},
        {"call_direction": "outbound", "callee_id_number": "02079460001"},
        {"call_direction": "outbound", "callee_id_number": "1001"},
        {"call_direction": "inbound", "callee_id_number": "+447700900001", "callee_e164": "+447700900001"},
    )
    assert frame.select(is_compared(CarrierRules())).to_series().to_list() == [True, True, False, False]


def test_with_trunks_the_trunk_alone_decides() -> None:
    frame = rows(
        {"call_direction": "outbound", "callee_id_number": "1001", "resource_id": "bell-trunk"},
        {"call_direction": "outbound", "callee_id_number": "+447700900001", "callee_e164": "+447700900001"},
    )
    compared = frame.select(is_compared(CarrierRules(trunks=("bell-trunk",)))).to_series()
    assert compared.equals(pl.Series([True, False]), check_names=False)


def test_a_rate_card_gives_the_prices_of_the_day(tmp_path: Path) -> None:
    found = card(
        tmp_path,
        "Prefix,rate,destination,minimum,increment,fee,valid_from,valid_to\n"
        "+44,0.01,UK,1,1,0.002,,\n447,0.05,Mobile,,,,2026-01-01,2026-03-02\n447,0.06,Mobile,,,,2026-02-01,\n"
        "447,0.99,Mobile,,,,2026-03-03,\n",
    )
    by_prefix = {rate.prefix: rate for rate in found.rates}
    assert (by_prefix["44"].increment, by_prefix["44"].setup_fee) == (Increment(1, 1), Decimal("0.002"))
    assert (by_prefix["447"].per_minute, by_prefix["447"].increment) == (Decimal("0.06"), Increment(60, 6))
    assert by_prefix["447"].currency == "USD"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rate\n1\n", "prefix"),
        ("prefix,rate,colour\n44,1,red\n", "colour"),
        ("prefix,rate\n44,1\nx,1\n", "line 3"),
        ("prefix,rate\n44,NaN\n", "line 2"),
        ("prefix,rate,increment\n44,1,0\n", "line 2"),
        ("prefix,rate,valid_from\n44,1,02.03.2026\n", "line 2, column valid_from"),
        ("prefix,rate,destination\n44,-0.01,UK\n", "line 2, column rate"),
        ('prefix,rate\n44,"0,01"\n', "line 2, column rate"),
        ("prefix,rate\n44,0,01\n", "line 2: 3 values for 2 columns"),
        ("prefix,rate,fee\n44,1,-1\n", "line 2, column fee"),
        ("prefix,rate,time_from\n44,1,25:00\n", "line 2, column time_from"),
        ("prefix,rate,days\n44,1,someday\n", "line 2, column days"),
        ("prefix,rate,valid_from,valid_to\n44,1,2026-03-02,2026-03-01\n", "line 2, column valid_to"),
        ("prefix,rate\n", "no lines"),
        ("prefix,rate\n44,1\n33,1\n44,2\n", "lines 2 and 4"),
        ("prefix,rate,valid_from\n44,1,2026-01-01\n+44,2,2026-01-01\n", "lines 2 and 3"),
    ],
)
def test_a_rate_card_that_cannot_be_used_says_where(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidRateCard, match=said):
        card(tmp_path, text)


def test_a_rate_card_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRateCard, match=r"none\.csv"):
        read_rate_card(tmp_path / "none.csv", DAY, steps=Increment(), currency="", places=4, rounding="up")


def test_a_rate_card_in_another_encoding_names_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "bell.csv"
    path.write_bytes(b"prefix,rate,destination\n44,1,UK\n33,1,\xe9tranger\n")
    with pytest.raises(InvalidRateCard, match="line 3, column 3"):
        read_rate_card(path, steps=Increment(), currency="", places=4, rounding="up")


def test_prices_by_hour_do_not_contradict_the_price_of_the_day(tmp_path: Path) -> None:
    found = card(tmp_path, "prefix,rate,days,time_from,time_to\n44,2,,,\n44,1,mon-fri,19:00,07:00\n44,0.5,sat-sun,,\n")
    assert [(rate.weekdays, rate.from_minute, rate.to_minute) for rate in found.rates] == [
        ((), 0, 1440),
        ((1, 2, 3, 4, 5), 1140, 420),
        ((6, 7), 0, 1440),
    ]
