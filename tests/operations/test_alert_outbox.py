"""Alerts arrive by each channel at least once and without repeats, also when a channel or a process dies."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from cdr_pipeline.cli import terminal
from cdr_pipeline.cli.operations import alerts
from cdr_pipeline.errors import AlertNotSent, ConfigurationError
from cdr_pipeline.privacy import redaction
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations import alert_channels, alert_outbox
from cdr_pipeline.steps.operations.alert import Incident
from cdr_pipeline.steps.operations.alert_outbox import CLAIM, Outcome, in_spool, send_waiting, tell
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.run_context import RunContext
from tests.support.listeners import Taken, free_port, smtp_server, webhook

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DEAD = Incident("problem: a", "12 accounts: connection refused by host", command="cdr-pipeline doctor")
OTHER = Incident("problem: b", "a file is missing")


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def wait(self, **pause: float) -> None:
        self.now += timedelta(**pause)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _nothing_is_hidden_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_HIDDEN", [])
    monkeypatch.setattr(alert_outbox, "_told_without_file", {})


def hooked(settings: Settings, hook: Taken | str, **more: object) -> Settings:
    url = hook if isinstance(hook, str) else hook.url
    return settings.model_copy(update={"alert_webhook_url": SecretStr(url)} | more)


def mailed(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"alert_smtp_url": SecretStr(url), "alert_mail_to": "night@example.com"})


def found(settings: Settings, clock: Clock, *incidents: Incident) -> Outcome:
    """What a look at the product tells that finds these incidents."""

    def find(_: RunContext) -> Sequence[Incident]:
        return incidents

    return tell(settings, find, covers=lambda: ("problem: ",), clock=clock)


def dead_url() -> str:
    return f"http://127.0.0.1:{free_port()}/hook/CANARY_SECRET_PATH"


def waiting(settings: Settings) -> dict[str, int]:
    with RunContext.open(settings).ledger() as ledger:
        return {item.channel: item.alerts for item in ledger.alerts.waiting()}


def test_an_incident_is_told_once_as_long_as_it_lasts(settings: Settings, clock: Clock) -> None:
    with webhook() as hook:
        made = hooked(settings, hook)
        assert found(made, clock, DEAD) == Outcome(1, ("webhook",), {})
        clock.wait(days=3)
        assert found(made, clock, DEAD) == Outcome(0, (), {})
    (body,) = hook.bodies
    assert body["text"].splitlines() == [
        DEAD.line, f"{DEAD.line} (next: cdr-pipeline doctor)", "next: cdr-pipeline doctor"
    ]  # fmt: skip


def test_incidents_found_together_are_one_alert(settings: Settings, clock: Clock) -> None:
    with webhook() as hook:
        found(hooked(settings, hook), clock, DEAD, OTHER)
    (body,) = hook.bodies
    assert body["subject"] == f"{DEAD.line} (and 1 more)"
    assert OTHER.line in body["text"]


def test_a_new_cause_of_an_incident_is_told_again(settings: Settings, clock: Clock) -> None:
    with webhook() as hook:
        made = hooked(settings, hook)
        for cause in ("connection refused", "connection refused", "HTTP 503"):
            found(made, clock, Incident("problem: a", cause, cause))
    assert [body["subject"] for body in hook.bodies] == ["connection refused", "HTTP 503"]


def test_recovery_is_told_once_and_a_return_is_news(settings: Settings, clock: Clock) -> None:
    with webhook() as hook:
        made = hooked(settings, hook)
        for incidents in ((DEAD, OTHER), (OTHER,), (OTHER,), (DEAD, OTHER)):
            found(made, clock, *incidents)
    assert [(body["kind"], body["subject"]) for body in hook.bodies] == [
        ("broken", f"{DEAD.line} (and 1 more)"),
        ("recovered", f"over: {DEAD.line}"),
        ("broken", DEAD.line),
    ]


def test_what_is_not_looked_for_any_more_has_not_recovered(settings: Settings, clock: Clock) -> None:
    with webhook() as hook:
        made = hooked(settings, hook)
        found(made, clock, Incident("problem: red", "2026-11-19 is red", watched_until=NOON + timedelta(days=7)))
        clock.wait(days=8)
        found(made, clock)
    assert [body["kind"] for body in hook.bodies] == ["broken"]


def test_topics_that_a_look_does_not_cover_stay_open(settings: Settings, clock: Clock) -> None:
    with webhook() as hook:
        made = hooked(settings, hook)
        tell(made, lambda _: [Incident("run: x", "x failed")], covers=lambda: ("run: x",), clock=clock)
        found(made, clock)
    assert [body["kind"] for body in hook.bodies] == ["broken"]


def test_a_dead_channel_catches_up_and_the_other_gets_nothing_twice(settings: Settings, clock: Clock) -> None:
    port = free_port()
    with smtp_server() as mail:
        made = mailed(hooked(settings, f"http://127.0.0.1:{port}/hook"), mail.url)
        assert found(made, clock, DEAD) == Outcome(1, ("mail",), {"webhook": "connection refused"})
        for _ in range(5):
            clock.wait(minutes=1)
            found(made, clock, DEAD)
        found(made, clock, DEAD, OTHER)
        with webhook(port=port) as hook:
            clock.wait(hours=1)
            assert found(made, clock, DEAD, OTHER) == Outcome(0, ("webhook",), {})
    assert [body.splitlines()[0] for body in mail.bodies] == [f"cdr-pipeline: {item.line}" for item in (DEAD, OTHER)]
    assert [body["subject"] for body in hook.bodies] == [DEAD.line, OTHER.line]
    assert "raised 2026-11-20 12:00 UTC; delivered late" in hook.bodies[0]["text"]


def test_pauses_between_attempts_double_up_to_an_hour(settings: Settings) -> None:
    pauses = [alert_outbox.pause_after(attempts, settings).total_seconds() for attempts in (1, 2, 3, 7, 8, 500)]
    assert pauses == [30, 60, 120, 1920, 3600, 3600]


def test_no_attempt_is_made_before_the_pause_is_over(settings: Settings, clock: Clock) -> None:
    with webhook(refuse=99) as hook:
        made = hooked(settings, hook)
        tries: list[int] = []
        for seconds in (0, 29, 1, 59, 1):
            clock.wait(seconds=seconds)
            found(made, clock, DEAD)
            tries.append(hook.tries)
    assert tries == [1, 1, 2, 2, 3]


def test_an_alert_that_is_refused_for_good_does_not_block_others(settings: Settings, clock: Clock) -> None:
    with webhook(refuse=1, status=400) as hook:
        made = hooked(settings, hook)
        assert found(made, clock, DEAD) == Outcome(1, (), {"webhook": "HTTP 400"})
        assert found(made, clock, DEAD, OTHER) == Outcome(1, ("webhook",), {"webhook": "HTTP 400"})
    assert [body["subject"] for body in hook.bodies] == [OTHER.line]


def test_a_slow_channel_delays_no_other(settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_channels, "_SECONDS", 1.0)
    with webhook(seconds=2) as slow, smtp_server() as mail:
        made = mailed(hooked(settings, slow), mail.url)
        began = time.monotonic()
        outcome = found(made, clock, DEAD, OTHER)
        assert time.monotonic() - began < 2
    assert outcome == Outcome(1, ("mail",), {"webhook": "no answer within 1 s"})


def test_a_sender_killed_before_it_records_repeats_under_the_same_id(
    settings: Settings, clock: Clock, warehouse_url: str
) -> None:
    program = Path(__file__).parents[1] / "support" / "crashing_alert.py"
    with webhook() as hook:
        made = hooked(settings, hook)
        killed = subprocess.run(
            [sys.executable, str(program), warehouse_url, str(settings.data_dir), hook.url],
            check=False, env=os.environ | {"DAGSTER_HOME": str(settings.dagster_home)},
        )  # fmt: skip
        assert killed.returncode == 137
        assert len(hook.bodies) == 1
        clock.now = datetime.now(UTC)
        again = Incident("run: x", "x failed")

        def look() -> Outcome:
            return tell(made, lambda _: [again], covers=lambda: ("run: ",), clock=clock)

        # As long as the claim lasts, the other process could still be sending.
        assert look().accepted == ()
        clock.wait(seconds=CLAIM.total_seconds())
        assert look().accepted == ("webhook",)
        assert look().accepted == ()
    assert len(hook.ids) == 2
    assert len(set(hook.ids)) == 1


def test_two_processes_that_look_at_once_tell_once(settings: Settings, clock: Clock) -> None:
    with webhook(seconds=0.05) as hook:
        made = hooked(settings, hook)
        RunContext.open(made)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: found(made, clock, DEAD), range(4)))
    assert len(hook.bodies) == 1


def test_while_the_warehouse_is_away_an_alert_goes_out_once(settings: Settings, clock: Clock) -> None:
    away = SecretStr(f"postgresql://127.0.0.1:{free_port()}/gone")
    port = free_port()
    with smtp_server() as mail:
        made = mailed(hooked(settings, f"http://127.0.0.1:{port}/hook"), mail.url)
        without = made.model_copy(update={"warehouse_url": away})
        for _ in range(3):
            outcome = found(without, clock, DEAD)
            clock.wait(minutes=1)
        assert outcome == Outcome(0, (), {"webhook": "connection refused"}, spooled=True)
        assert [(item.channel, item.state) for item in in_spool(without)] == [
            ("webhook", "waiting"), ("mail", "sent")
        ]  # fmt: skip
        with webhook(port=port) as hook:
            clock.wait(hours=1)
            assert found(made, clock).accepted == ("mail", "webhook")
    subjects = [body["subject"] for body in hook.bodies]
    assert len(subjects) == 2
    assert subjects[0].startswith("the warehouse cannot be used")
    assert subjects[1].startswith("over: the warehouse cannot be used")
    assert [body.splitlines()[0].split(": ")[1] for body in mail.bodies] == ["the warehouse cannot be used", "over"]
    assert in_spool(made) == []


def test_without_warehouse_and_disk_an_alert_still_goes_out_once(settings: Settings, clock: Clock) -> None:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    (settings.data_dir / "alerts").write_text("a file where the folder should be")
    away = SecretStr(f"postgresql://127.0.0.1:{free_port()}/gone")
    with webhook() as hook:
        made = hooked(settings, hook, warehouse_url=away)
        assert [found(made, clock).accepted for _ in range(3)] == [("webhook",), (), ()]
    assert len(hook.bodies) == 1


def test_retry_sends_at_once_what_waits_for_its_pause(settings: Settings, clock: Clock) -> None:
    port = free_port()
    made = hooked(settings, f"http://127.0.0.1:{port}/hook")
    found(made, clock, DEAD)
    with webhook(port=port) as hook:
        assert found(made, clock, DEAD).accepted == ()
        assert send_waiting(made, clock=clock) == Outcome(0, ("webhook",), {})
    assert len(hook.bodies) == 1


def test_an_alert_that_waits_is_a_problem_with_its_age(settings: Settings, clock: Clock) -> None:
    made = hooked(settings, dead_url())
    found(made, clock, DEAD)
    clock.wait(minutes=11)
    problems = find_problems(RunContext.open(made, clock=clock))
    (problem,) = (item for item in problems if item.code == "alert_waiting")
    assert problem.what == "1 alert not yet accepted by the channel webhook: connection refused"
    assert (problem.since, problem.command) == (NOON, "cdr-pipeline alerts retry")


def test_alerts_for_a_channel_that_is_no_longer_set_do_not_wait(settings: Settings, clock: Clock) -> None:
    with smtp_server() as mail:
        found(hooked(settings, dead_url()), clock, DEAD)
        assert waiting(settings) == {"webhook": 1}
        found(mailed(settings, mail.url), clock, DEAD)
    assert waiting(settings) == {}


def test_services_are_addressed_by_url_and_named_without_it(settings: Settings, clock: Clock) -> None:
    with webhook() as hook:
        services = SecretStr(
            f"{hook.url.replace('http://', 'json://')}  slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrId"
        )
        made = settings.model_copy(update={"alert_urls": services})
        assert [channel.name for channel in alert_channels.alert_channels(made)] == ["json", "slack"]
        only = settings.model_copy(update={"alert_urls": SecretStr(hook.url.replace("http://", "json://"))})
        assert found(only, clock, DEAD).accepted == ("json",)
    (body,) = hook.bodies
    assert body["title"] == f"cdr-pipeline: {DEAD.line}"
    assert body["type"] == "failure"


def test_a_service_that_refuses_is_named_with_its_status(settings: Settings, clock: Clock) -> None:
    with webhook(refuse=9) as hook:
        made = settings.model_copy(update={"alert_urls": SecretStr(hook.url.replace("http://", "json://"))})
        assert found(made, clock, DEAD).waiting == {"json": "HTTP 503"}


@pytest.mark.parametrize("scheme", ["http", "json"])
def test_addresses_of_channels_are_in_no_log(
    settings: Settings, clock: Clock, caplog: pytest.LogCaptureFixture, scheme: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with webhook(refuse=1) as hook:
        url = hook.url.replace("http:", f"{scheme}:")
        made = (
            hooked(settings, url)
            if scheme == "http"
            else settings.model_copy(update={"alert_urls": SecretStr(url)})
        )  # fmt: skip
        for _ in range(2):
            found(made, clock, DEAD)
            clock.wait(hours=1)
    assert len(hook.bodies) == 1
    assert "was not accepted by" in caplog.text
    assert "CANARY_SECRET_PATH" not in caplog.text


def test_hidden_tokens_are_masked_wherever_they_appear() -> None:
    redaction.hide("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrId")
    assert "TIiajkdnlazkcOXrId" not in redaction.redact("POST /services/x/TIiajkdnlazkcOXrId failed")
    assert redaction.redact("the host 127.0.0.1:2525 is named") == "the host 127.0.0.1:2525 is named"


def test_mail_without_a_server_is_a_setting_that_is_wrong(settings: Settings, clock: Clock) -> None:
    with pytest.raises(ConfigurationError, match="CDR_ALERT_SMTP_URL"):
        found(settings.model_copy(update={"alert_mail_to": "night@example.com"}), clock, DEAD)


@pytest.mark.fault("F03")
def test_numbers_sip_users_and_tokens_never_leave_in_an_alert(settings: Settings, clock: Clock) -> None:
    leaky = Incident("problem: x", "call of +15550101234: sip:alice@host auth_token=CANARY_TOKEN")
    with webhook() as taken:
        found(hooked(settings, taken), clock, leaky)
        found(hooked(settings, taken), clock)
    said = json.dumps(taken.bodies)
    assert len(taken.bodies) == 2
    assert not [word for word in ("5550101234", "alice", "CANARY_TOK") if word in said]


def test_the_commands_list_test_and_retry_alerts(
    settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    made = hooked(settings, f"http://127.0.0.1:{port}/hook/CANARY_SECRET_PATH")
    monkeypatch.setattr(terminal, "ready_settings", lambda: made)
    found(made, clock, DEAD)
    with pytest.raises(AlertNotSent, match=r"not accepted by webhook \(connection refused\)"):
        alerts.send_test()
    with pytest.raises(AlertNotSent, match="still not accepted by webhook"):
        alerts.retry()
    with webhook(port=port) as hook:
        alerts.retry()
        alerts.send_test(channel="webhook")
    alerts.list_alerts(as_json=True)
    assert [body["kind"] for body in hook.bodies] == ["broken", "test"]
    printed = capsys.readouterr().out
    (listed,) = json.loads(printed[printed.index("{") :])["alerts"]
    assert (listed["channel"], listed["state"], listed["attempts"]) == ("webhook", "sent", 3)
