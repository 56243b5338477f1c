import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.privacy.redaction import RedactingFilter, redact


@pytest.mark.parametrize(
    "text",
    [
        "GET /v1/accounts/a/cdrs?auth_token=CANARY",
        '{"auth_token": "CANARY", "data": []}',
        "X-Auth-Token: CANARY",
        "Authorization: Bearer CANARY",
        "api_key=CANARY&x=1",
        "postgresql://cdr:CANARY@db/warehouse",
        "from sip:CANARY@example.com",
        "tel:CANARY",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    assert "CANARY" not in redact(text)


@given(st.integers(10**7, 10**14), st.sampled_from(["call to {}", "+{} rang", "'{}'", "{};", "number={}"]))
def test_numbers_are_masked(number: int, shape: str) -> None:
    assert str(number) not in redact(shape.format(number))


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T09:30:00Z",
        "202603-a5c9f6c0-e752-11e3-8bfb-65b6c3cdac7d",
        "42 rows in 1.5 s",
        "cdrs_a_2026-03-02_v1.csv",
    ],
)
def test_times_ids_and_counts_stay_readable(text: str) -> None:
    assert redact(text) == text


def test_arguments_and_exceptions_of_a_log_line_are_masked(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("test_redaction")
    logger.addFilter(RedactingFilter())
    try:
        int("auth_token=CANARY")
    except ValueError:
        logger.exception("failed for %s", "sip:CANARY@host")
    assert "CANARY" not in caplog.text
    assert "ValueError" in caplog.text


@pytest.mark.fault("F07")
@pytest.mark.parametrize("text", ["a\nERROR forged", "a\r\nb", "\x1b[31mred", "a\u2028b", "\x9b2J"])
def test_one_record_is_one_line_of_plain_text(text: str) -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "name %s", (text,), None)
    RedactingFilter().filter(record)
    assert record.getMessage().isprintable()
