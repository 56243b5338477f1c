import re

import phonenumbers
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from cdr_pipeline.core.normalize.numbers import NumberPlan, e164


def one(text: str | None, plan: NumberPlan = NumberPlan("34")) -> str | None:  # noqa: B008 - frozen
    """E.164 of one number."""
    found: str | None = pl.select(e164(pl.lit(text, pl.String), plan)).item()
    return found


@pytest.mark.parametrize("text", ["0034688886392", "+34688886392", "34688886392", "00034688886392", "0688886392"])
def test_one_number_in_all_its_forms(text: str) -> None:
    assert one(text) == "+34688886392"


@pytest.mark.parametrize("text", [None, "", "9007", "*97", "anonymous", "Zoë", "User 10", "+", "00", "1.23E+15"])
def test_what_is_no_public_number_has_no_e164_form(text: str | None) -> None:
    assert one(text) is None


def test_uris_are_read_by_their_user_part() -> None:
    assert one("sip:+447700900123@example.com;user=phone") == "+447700900123"


def test_without_a_country_only_international_forms_are_known() -> None:
    plan = NumberPlan()
    assert (one("+447700900123", plan), one("07700900123", plan)) == ("+447700900123", None)


def test_a_tech_prefix_is_cut_off() -> None:
    assert one("9990034688886392", NumberPlan("34", tech_prefix="999")) == "+34688886392"


def test_north_american_numbers_need_no_prefix() -> None:
    assert one("2125550100", NumberPlan("1", national_prefix="1")) == "+12125550100"


@given(st.text(max_size=20))
def test_whatever_comes_out_is_plus_and_8_to_15_digits(text: str) -> None:
    found = one(text)
    assert found is None or (
        found[0] == "+" and found[1:].isascii() and found[1:].isdigit() and 8 <= len(found) - 1 <= 15
    )


@given(st.integers(10**9, 10**14))
def test_e164_stays_itself(number: int) -> None:
    assert one(f"+{number}") == f"+{number}"


def test_digits_of_other_scripts_are_no_digits() -> None:
    assert one("+3٤٤٤٤٤٤٤٤") is None
    assert one("+３４６８８８８６３９２") is None  # noqa: RUF001 - full-width digits


def test_the_prefix_in_brackets_for_callers_within_the_country_is_left_out() -> None:
    assert one("+44 (0)20 7946 0958", NumberPlan("44")) == "+442079460958"


def test_the_area_code_in_brackets_is_part_of_the_number() -> None:
    assert one("+1 (212) 555-0100", NumberPlan("1")) == "+12125550100"


def test_an_ip_address_is_no_number() -> None:
    assert one("192.168.100.200", NumberPlan("1")) is None


@given(st.text(alphabet="+0123456789 ().-/*#@;٤a", max_size=20), st.sampled_from(["34", "1", "7", None]))
def test_no_punctuation_makes_a_number_of_anything_else(text: str, country: str | None) -> None:
    found = one(text, NumberPlan(country))
    assert found is None or (found.isascii() and found[1:].isdigit() and 9 <= len(found) <= 16)


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("0612345678", "39", "+390612345678"),
        ("3912345678", "39", "+393912345678"),
        ("0612345678", "36", "+3612345678"),
        ("612345678", "34", "+34612345678"),
        ("32123456", "45", "+4532123456"),
        ("89161234567", "7", "+79161234567"),
        ("81044207946095", "7", "+44207946095"),
        ("011442079460958", "1", "+442079460958"),
        ("5550100", "1", None),
        ("3123456", "1", None),
        ("110", "49", None),
    ],
)
def test_national_numbers_follow_the_rules_of_their_country(text: str, country: str, expected: str | None) -> None:
    assert one(text, NumberPlan(country)) == expected


def examples() -> list[tuple[str, str, str]]:
    """Country code, digits as dialled within the country, and E.164 of an example number of every country and kind."""
    found: list[tuple[str, str, str]] = []
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
            number = phonenumbers.example_number_for_type(regions[0], kind)
            if number is not None:
                dialled = re.sub(r"\D", "", phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL))
                found.append((str(code), dialled, phonenumbers.format_number(number, PhoneNumberFormat.E164)))
    return found


@pytest.mark.slow
def test_every_country_agrees_with_libphonenumber() -> None:
    # Niue and Tokelau have numbers shorter than the eight digits that tell a public number from an extension.
    cases = [case for case in examples() if len(case[2]) > 8]
    assert len(cases) > 400
    assert [case for case in cases if one(case[1], NumberPlan(case[0])) != case[2]] == []
    assert [case for case in cases if one(case[2][1:], NumberPlan(case[0])) != case[2]] == []


def test_a_stated_trunk_prefix_takes_precedence_over_the_countrys() -> None:
    assert one("9612345678", NumberPlan("34", national_prefix="9")) == "+34612345678"


def test_a_code_that_no_country_has_is_read_by_the_common_rules() -> None:
    assert one("0612345678", NumberPlan("999")) == "+999612345678"
