"""Alerts of nights, runs and checks: what is told, once, with the cause and the command that helps."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import dagster as dg
import pytest
from pydantic import SecretStr

from cdr_pipeline.cli.operations.night_alerting import alerting
from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.operations.alerts import incident_of, run_title
from cdr_pipeline.defs.operations.night import run_night
from cdr_pipeline.defs.outcome import FAILED_ACCOUNTS_TAG
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.errors import ConfigurationError, IncompleteNight
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.alert import Alert
from cdr_pipeline.steps.operations.alert_channels import alert_channels
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.operations.night_alerts import tell_run
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account
from tests.support.listeners import Taken, free_port, mail_server, webhook

DAY = (datetime.now(UTC) - timedelta(days=2)).date()
ALERT = Alert("night_failed", "nightly of 2026-03-02 failed", ("code: upstream_auth",), "cdr-pipeline doctor")


def hooked(settings: Settings, taken: Taken) -> Settings:
    return settings.model_copy(update={"alert_webhook_url": SecretStr(taken.url)})


def test_a_webhook_gets_json_that_people_and_programs_can_read(settings: Settings) -> None:
    with webhook() as taken:
        (channel,) = alert_channels(hooked(settings, taken))
        assert channel.send(ALERT, datetime.now(UTC)) is None
    (body,) = taken.bodies
    assert body["text"].splitlines() == [ALERT.subject, *ALERT.lines, "next: cdr-pipeline doctor"]
    assert (body["kind"], body["mend"], body["id"]) == ("night_failed", "cdr-pipeline doctor", ALERT.alert_id)


def test_mail_has_subject_receiver_and_the_command_to_start_with(settings: Settings) -> None:
    with mail_server() as taken:
        mailed = settings.model_copy(
            update={"alert_smtp_url": SecretStr(taken.url), "alert_mail_to": "night@example.com"}
        )
        (channel,) = alert_channels(mailed)
        assert channel.send(ALERT, datetime.now(UTC)) is None
    (message,) = taken.bodies
    assert f"Subject: cdr-pipeline: {ALERT.subject}" in message
    assert "To: night@example.com" in message
    assert "next: cdr-pipeline doctor" in message


def test_a_run_that_failed_is_told_by_job_day_and_code(settings: Settings) -> None:
    definitions = build_definitions(settings)
    sensor = definitions.resolve_sensor_def("alert_on_failed_run")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    with open_instance(settings) as instance:
        run = instance.create_run_for_job(
            definitions.resolve_job_def("nightly"),
            tags={"dagster/partition": "2026-03-02", "cdr/failure": "configuration"},
        )
    incident = incident_of(run)
    assert incident.line == f"nightly of 2026-03-02 failed: configuration (run {run.run_id})"
    assert incident.facts["business_date"] == "2026-03-02"
    assert incident.command == "cdr-pipeline nightly --date 2026-03-02"


@pytest.mark.slow
def test_a_night_of_dead_accounts_is_one_alert_with_cause_and_names(settings: Settings) -> None:
    with webhook() as taken:
        made = hooked(settings, taken).model_copy(
            update={"api_url": f"http://127.0.0.1:{free_port()}", "api_token": SecretStr("CANARY_TOKEN_X")}
            | {"step_retry_seconds": 0}
        )
        with RunContext.open(made).ledger() as ledger:
            for number in range(4):
                ledger.accounts.add(Account(f"a{number}", name=f"Acme {number}"), now=datetime.now(UTC))
        with pytest.raises(IncompleteNight), alerting(made, DAY):
            run_night(DAY, made).require_whole()
        with open_instance(made) as instance:
            (run,) = instance.get_runs(limit=1)
            assert run.tags[FAILED_ACCOUNTS_TAG] == "a0,a1,a2,a3"
            # The sensors of a daemon find the same, and have nothing to add.
            tell_run(made, run_title(run), incident_of(run))
    (body,) = taken.bodies
    assert body["subject"].startswith(f"nightly of {DAY} failed: 4 accounts: connection refused by 127.0.0.1:")
    assert body["kind"] == "night_failed"
    assert "Acme 0 (a0), Acme 1 (a1), Acme 2 (a2) and 1 more" in body["text"]
    assert body["mend"] == f"cdr-pipeline nightly --date {DAY}"


def test_a_night_that_succeeds_ends_the_alert_of_its_failure(settings: Settings) -> None:
    with webhook() as taken:
        made = hooked(settings, taken)
        with pytest.raises(ConfigurationError), alerting(made, DAY):
            run_night(DAY, made)
        with alerting(made, DAY):
            pass
    assert [(body["kind"], body["subject"]) for body in taken.bodies] == [
        ("night_failed", f"nightly of {DAY} failed: CDR_API_URL is not set: there is no switch to collect from"),
        ("recovered", f"over: {taken.bodies[0]['subject']}"),
    ]


def test_a_failed_run_is_over_when_the_same_day_succeeds(settings: Settings) -> None:
    with webhook() as taken:
        made = hooked(settings, taken)
        definitions = build_definitions(made, contexts=RunContexts(made))
        with open_instance(made) as instance:
            for succeeds in (False, True):
                run = instance.create_run_for_job(
                    definitions.resolve_job_def("nightly"), tags={"dagster/partition": str(DAY)}
                )
                if succeeds:
                    succeeded = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, "nightly")
                    instance.report_dagster_event(succeeded, run.run_id)
                else:
                    instance.report_run_failed(run)
                    tell_run(made, run_title(run), incident_of(run))
            look(definitions, instance)
    assert [body["kind"] for body in taken.bodies] == ["night_failed", "recovered"]


def test_what_turns_red_is_told_once_by_the_sensor(settings: Settings) -> None:
    with webhook() as taken:
        made = hooked(settings, taken).model_copy(update={"api_url": "http://127.0.0.1:9"})
        ctx = RunContext.open(made)
        with ctx.ledger() as ledger:
            ledger.accounts.add(Account("a1"), now=datetime.now(UTC) - timedelta(days=4))
        definitions = build_definitions(made, contexts=RunContexts(made))
        with open_instance(made) as instance:
            said = [look(definitions, instance) for _ in range(2)]
    assert said == ["1 new alert; accepted by webhook", "nothing new"]
    (body,) = taken.bodies
    assert "night of" in body["text"]
    assert "cdr-pipeline nightly --date" in body["text"]


def look(definitions: dg.Definitions, instance: dg.DagsterInstance) -> str | None:
    """What the sensor of problems reports."""
    context = dg.build_sensor_context(instance=instance, repository_def=definitions.get_repository_def())
    result = definitions.resolve_sensor_def("alert_on_red")(context)
    assert isinstance(result, dg.SkipReason)
    return result.skip_message


def test_more_open_money_than_the_threshold_is_broken_and_less_is_not(settings: Settings) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    ctx = RunContext.open(settings)
    with ctx.ledger() as ledger:
        ledger.accounts.add(Account("a1"), now=datetime.now(UTC))
        ledger.connection.execute(_RECONCILED, {"day": yesterday, "now": datetime.now(UTC)})
        ledger.connection.execute(_OPEN_BREAK, {"day": yesterday, "now": datetime.now(UTC)})
    assert _exposures(settings, None) == []
    assert _exposures(settings, Decimal(100)) == []
    (found,) = _exposures(settings, Decimal(10))
    assert "12.50 USD" in found


def _exposures(settings: Settings, limit: Decimal | None) -> list[str]:
    ctx = RunContext.open(settings.model_copy(update={"alert_exposure": limit}))
    return [item.what for item in find_problems(ctx) if item.code == "exposure"]


_OPEN_BREAK = """
INSERT INTO reconciled_calls (
    account_id, carrier, business_date, outcome_id, since_version, class, is_break, ambiguous, started_at, destination,
    exposure, found_at, carrier_record_id, currency
) VALUES ('a1', 'c', %(day)s, 'o1', 1, 'cost_mismatch', true, false, %(now)s, '', 12.5, %(now)s, 'r1', 'USD')
"""
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
