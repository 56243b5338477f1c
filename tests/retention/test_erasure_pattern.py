"""Which texts show a number, as an erasure looks for it."""

import re

import pytest

from cdr_pipeline.core.records.erasure import number_pattern

GERMAN = "+4930123456"


@pytest.mark.fault("D29")
@pytest.mark.parametrize(
    "text",
    [
        "+4930123456", "4930123456", "004930123456", "0004930123456", "0114930123456", "030123456", "030/12 34-56",
        "+49 (0)30 123456", "(030) 123456", "30123456", "sip:+4930123456@pbx.example;user=phone", '"a" <4930123456>',
        '{"number": "030123456"}',
    ],
)  # fmt: skip
def test_a_number_is_found_in_every_notation(text: str) -> None:
    assert re.search(number_pattern(GERMAN, "49"), text)
    assert re.search(number_pattern("+49 (30) 123-456", None), text)


@pytest.mark.fault("D29")
@pytest.mark.parametrize("text", ["+49301234567", "14930123456", "+493012345", "+4830123456", "301234560", ""])
def test_another_number_is_not(text: str) -> None:
    assert not re.search(number_pattern(GERMAN, "49"), text)


@pytest.mark.fault("D29")
def test_the_national_form_belongs_to_the_accounts_own_country() -> None:
    assert not re.search(number_pattern(GERMAN, "1"), "030123456")
    assert re.search(number_pattern(GERMAN, "1"), "011 49 30 123456")
    assert re.search(number_pattern("+12125550123", "1"), "(212) 555-0123")
