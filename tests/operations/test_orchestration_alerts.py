"""Alerts reach people by real HTTP and SMTP, tried again, once a trouble, and without personal data."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import dagster as dg
import pytest
import stamina
from pydantic import SecretStr

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.operations.alerts import failed_run
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.errors import AlertNotSent, ConfigurationError
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.alert import Alert, send_alert
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from tests.support.listeners import Taken, mail_server, webhook

ALERT = Alert("night_failed", "nightly of 2026-03-02 failed", ("code: upstream_auth",), "cdr-pipeline doctor")


@pytest.fixture(autouse=True)
def _without_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


def hooked(settings: Settings, taken: Taken) -> Settings:
    return settings.model_copy(update={"alert_webhook_url": SecretStr(taken.url)})


def test_a_webhook_gets_json_that_people_and_programs_can_read(settings: Settings) -> None:
    with webhook() as taken:
        assert send_alert(ALERT, hooked(settings, taken)) == ("webhook",)
    (body,) = taken.bodies
    assert body["text"].splitlines() == [ALERT.subject, *ALERT.lines, "next: cdr-pipeline doctor"]
    assert (body["kind"], body["mend"]) == ("night_failed", "cdr-pipeline doctor")


def test_mail_has_subject_receiver_and_the_command_to_start_with(settings: Settings) -> None:
    with mail_server() as taken:
        mailed = settings.model_copy(
            update={"alert_smtp_url": SecretStr(taken.url), "alert_mail_to": "night@example.com"}
        )
        assert send_alert(ALERT, mailed) == ("mail",)
    (message,) = taken.bodies
    assert f"Subject: cdr-pipeline: {ALERT.subject}" in message
    assert "To: night@example.com" in message
    assert "next: cdr-pipeline doctor" in message


def test_a_channel_that_refuses_twice_is_tried_a_third_time(settings: Settings) -> None:
    with webhook(refuse=2) as hook, mail_server(refuse=2) as mail:
        both = hooked(settings, hook).model_copy(
            update={"alert_smtp_url": SecretStr(mail.url), "alert_mail_to": "night@example.com"}
        )
        assert send_alert(ALERT, both) == ("webhook", "mail")
    assert (hook.tries, mail.tries, len(hook.bodies), len(mail.bodies)) == (3, 3, 1, 1)


def test_one_dead_channel_blocks_no_other_and_is_named_without_address(
    settings: Settings,
) -> None:
    with webhook(refuse=99) as hook, mail_server() as mail:
        both = hooked(settings, hook).model_copy(
            update={"alert_smtp_url": SecretStr(mail.url), "alert_mail_to": "night@example.com"}
        )
        with pytest.raises(AlertNotSent, match="webhook") as raised:
            send_alert(ALERT, both)
    assert len(mail.bodies) == 1
    assert "CANARY_SECRET_PATH" not in str(raised.value)


def test_mail_without_a_server_is_a_setting_that_is_wrong(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="CDR_ALERT_SMTP_URL"):
        send_alert(ALERT, settings.model_copy(update={"alert_mail_to": "night@example.com"}))


@pytest.mark.fault("F03")
def test_numbers_sip_users_and_tokens_never_leave_in_an_alert(settings: Settings) -> None:
    leaky = Alert(
        "broken", "call of +15550101234", ("sip:alice@host auth_token=CANARY_TOKEN",), facts={"x": "+15550101234"}
    )
    with webhook() as taken:
        send_alert(leaky, hooked(settings, taken))
    said = json.dumps(taken.bodies)
    assert not [word for word in ("5550101234", "alice", "CANARY_TOK") if word in said]


def test_a_run_that_failed_is_told_by_job_day_and_code(settings: Settings) -> None:
    sensor = build_definitions(settings).resolve_sensor_def("alert_on_failed_run")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    definitions = build_definitions(settings)
    with open_instance(settings) as instance:
        run = instance.create_run_for_job(
            definitions.resolve_job_def("nightly"),
            tags={"dagster/partition": "2026-03-02", "cdr/failure": "configuration"},
        )
    alert = failed_run(run)
    assert alert.subject == "nightly of 2026-03-02 failed"
    assert alert.lines[0].startswith("code: configuration")
    assert alert.facts["run_id"] == run.run_id


def test_what_turns_red_is_told_once_and_again_only_after_it_was_well(settings: Settings) -> None:
    with webhook() as taken:
        made = hooked(settings, taken).model_copy(update={"api_url": "http://127.0.0.1:9"})
        ctx = RunContext.open(made)
        with ctx.ledger() as ledger:
            ledger.accounts.add(Account("a1"), now=datetime.now(UTC) - timedelta(days=4))
        definitions = build_definitions(made, contexts=RunContexts(made))
        sensor = definitions.resolve_sensor_def("alert_on_red")
        with open_instance(made) as instance:

            def look(cursor: str | None) -> str | None:
                context = dg.build_sensor_context(
                    instance=instance, cursor=cursor, repository_def=definitions.get_repository_def()
                )
                result = sensor(context)
                assert isinstance(result, dg.SensorResult)
                return result.cursor

            cursor = look(None)
            assert len(taken.bodies) == 1
            assert look(cursor) == cursor
            assert len(taken.bodies) == 1
            look(json.dumps([]))
    assert len(taken.bodies) == 2
    assert "night of" in taken.bodies[0]["text"]
    assert "cdr-pipeline nightly --date" in taken.bodies[0]["text"]


def test_more_open_money_than_the_threshold_is_broken_and_less_is_not(settings: Settings) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    ctx = RunContext.open(settings)
    with ctx.ledger() as ledger:
        ledger.accounts.add(Account("a1"), now=datetime.now(UTC))
        ledger.connection.execute(_RECONCILED, {"day": yesterday, "now": datetime.now(UTC)})
    assert _exposures(settings, None) == []
    assert _exposures(settings, Decimal(100)) == []
    (found,) = _exposures(settings, Decimal(10))
    assert "12.50 USD" in found


def _exposures(settings: Settings, limit: Decimal | None) -> list[str]:
    ctx = RunContext.open(settings.model_copy(update={"alert_exposure": limit}))
    return [item.what for item in find_problems(ctx) if item.code == "exposure"]


_RECONCILED = """
INSERT INTO reconciliations (
    account_id, carrier, business_date, version, status, light, findings, inputs_hash, rules_hash, code_version,
    currency, switch_rows, switch_seconds, carrier_rows, carrier_seconds, breaks, exposure, offset_status, offset_ms,
    drift_ppm, spread_ms, offset_pairs, offset_finding, appeared, resolved, changed, totals, seen_changes, reconciled_at
) VALUES (
    'a1', 'c', %(day)s, 1, 'final', 'green', '{}', '', '', '', 'USD', 1, 1, 1, 1, 1, 12.5, '', 0, 0, 0, 0, '', 0, 0, 0,
    '{}', 0, %(now)s
)
"""
