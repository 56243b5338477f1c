"""What must never be read in logs, errors and files while a switch is collected, by the numbers of the fault list."""

import logging
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from cdr_pipeline.errors import WarehouseError
from cdr_pipeline.privacy.redaction import RedactingFilter, redact
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.engine import connect, safe_message
from tests.support.nights import DAY, night, playing, warehouse

NUMBER = "+15550100042"


def one_account(**more: Any) -> SimulatedSwitch:
    return SimulatedSwitch.build(**{"calls_per_day": 20, "accounts": 1} | more)


@pytest.mark.fault("F01")
def test_no_library_writes_a_url_even_when_everything_is_logged(
    ctx: RunContext, caplog: pytest.LogCaptureFixture
) -> None:
    switch = one_account()
    with caplog.at_level(logging.DEBUG), run_switch(switch) as running:
        night(playing(ctx, switch, running.url, api_token_in_query=True))
    ours = [record for record in caplog.records if not record.name.startswith(("uvicorn", "asyncio"))]
    said = "\n".join(record.getMessage() for record in ours)
    assert switch.token not in said
    assert "auth_token=" not in said
    assert "created_from" not in said


@pytest.mark.fault("F02")
def test_a_rejected_value_is_kept_with_its_row_and_nowhere_else(
    ctx: RunContext, caplog: pytest.LogCaptureFixture
) -> None:
    made = one_account()
    account = made.accounts[0].account_id
    first, *others = made.documents(account, DAY)
    spoilt = first | {"caller_id_number": NUMBER, "caller_id_name": "Zoë CANARY", "billing_seconds": -1}
    with caplog.at_level(logging.DEBUG):
        with run_switch(replace(made, stored={account: [spoilt, *others]})) as running:
            collected, loaded = night(playing(ctx, made, running.url))
    assert loaded.reject_reasons == {"out_of_range": 1}
    ((raw,),) = warehouse(ctx, "SELECT raw FROM rejects")
    assert NUMBER in raw
    for said in (caplog.text, repr(collected), repr(loaded)):
        assert NUMBER not in said
        assert "CANARY" not in said


@pytest.mark.fault("F04")
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO numbers VALUES (%s)",
        "INSERT INTO numbers SELECT %s FROM generate_series(1, 2)",
        "SELECT %s::int",
    ],
)
def test_what_the_database_says_of_a_row_is_cut_and_its_code_stays(ctx: RunContext, statement: str) -> None:
    with ctx.ledger() as ledger:
        ledger.connection.execute("CREATE TABLE numbers (number text PRIMARY KEY)")
        ledger.connection.execute("INSERT INTO numbers VALUES (%s)", [NUMBER])
    with pytest.raises(psycopg.Error) as raw, psycopg.connect(ctx.url) as connection:
        connection.execute(statement, [NUMBER])  # type: ignore[call-overload]
    assert NUMBER[1:] in str(raw.value)
    assert NUMBER[1:] not in safe_message(raw.value)
    assert raw.value.sqlstate is not None
    assert raw.value.sqlstate in safe_message(raw.value)
    with pytest.raises(WarehouseError) as ours, connect(ctx.url) as connection:
        connection.execute(statement, [NUMBER])  # type: ignore[call-overload]
    assert NUMBER[1:] not in str(ours.value)
    assert ours.value.__cause__ is None


@pytest.mark.fault("F05")
def test_an_errors_traceback_reaches_the_log_without_its_locals() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), None)
    try:
        int(f"caller={NUMBER} auth_token=CANARY_TOK")
    except ValueError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    RedactingFilter().filter(record)
    said = logging.Formatter("%(message)s").format(record)
    assert "ValueError" in said
    assert NUMBER not in said
    assert "CANARY" not in said
    assert "\n" not in said


@pytest.mark.fault("F07")
def test_a_callers_name_writes_no_log_line_of_its_own(ctx: RunContext, caplog: pytest.LogCaptureFixture) -> None:
    made = one_account(faults=("foreign_row",))
    account = made.accounts[0].account_id
    named = [
        leg | {"caller_id_name": "x\nERROR all money is gone\x1b[31m\u2028"} for leg in made.documents(account, DAY)
    ]
    with caplog.at_level(logging.DEBUG), run_switch(replace(made, stored={account: named})) as running:
        night(playing(ctx, made, running.url))
    assert "rows of another account" in caplog.text
    assert "all money is gone" not in caplog.text


@pytest.mark.fault("F08")
@given(
    st.integers(10**6, 10**15 - 1),
    st.sampled_from(
        ["{}", "+{}", "00{}", "sip:{}@host", "<sip:+{}@host;user=phone>", "tel:{}", "{}@realm.example", "caller={}",
         '"caller_id_number":"{}"', "from {} to", "({})", "'{}',", "a=+{};", "sips:{}@[2001:db8::1]"]
    ),
)  # fmt: skip
def test_no_run_of_seven_digits_survives_in_free_text(number: int, shape: str) -> None:
    assert str(number) not in redact(shape.format(number))


@pytest.mark.fault("F09")
def test_what_is_collected_is_readable_by_its_owner_only(ctx: RunContext) -> None:
    before = os.umask(0)
    try:
        switch = one_account()
        with run_switch(switch) as running:
            night(playing(ctx, switch, running.url, api_token=None, api_key=SecretStr(switch.api_key)))
    finally:
        os.umask(before)
    for folder in (ctx.settings.landing_dir, ctx.settings.session_dir):
        paths = [folder, *folder.rglob("*")]
        assert len(paths) > 2
        assert [path for path in paths if _open_to_others(path)] == []


def _open_to_others(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
