"""An alert is raised when a part of ``up`` ends, once, and another when it runs again or is given up."""

import os
import signal
import sys
import threading
import time
from datetime import timedelta

import pytest
from pydantic import SecretStr

from cdr_pipeline.cli.operations.children import Child, Children
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.part_alerts import PartAlerts
from tests.support.listeners import Taken, webhook


def silent(*_: str) -> None:
    """Discards a line."""


def watched(settings: Settings, hook: Taken, **options: timedelta) -> PartAlerts:
    hooked = settings.model_copy(update={"alert_webhook_url": SecretStr(hook.url)})
    return PartAlerts(hooked, silent, look_seconds=0.05, **options)


def subjects(hook: Taken, count: int) -> list[str]:
    for _ in range(600):
        if len(hook.bodies) >= count:
            break
        time.sleep(0.05)
    return [body["subject"] for body in hook.bodies]


def test_a_part_that_ends_is_told_once_and_once_when_it_runs_again(settings: Settings) -> None:
    children = [Child("daemon", [sys.executable, "-c", "import time; time.sleep(600)"])]
    with webhook() as hook:
        alerts = watched(settings, hook, steady=timedelta(seconds=2))
        alerts.start()

        def play() -> None:
            while not (children[0].process and children[0].process.poll() is None):
                time.sleep(0.05)
            os.kill(children[0].process.pid, signal.SIGKILL)
            subjects(hook, 2)
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=play, daemon=True).start()
        assert Children(children, dict(os.environ), silent, alerts.fell).run()
        alerts.stop()
        first, second = subjects(hook, 2)
    assert first == "the part 'daemon' of 'cdr-pipeline up' ended with code -9 and was started again"
    assert second == f"over: {first}"


def test_a_part_that_is_given_up_is_told_before_up_stops(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdr_pipeline.cli.operations.children._FALLS", 1)
    with webhook() as hook:
        alerts = watched(settings, hook)
        alerts.start()
        assert not Children([Child("ui", ["false"])], dict(os.environ), silent, alerts.fell).run()
        alerts.stop()
        told = subjects(hook, 1)
    assert "the part 'ui' of 'cdr-pipeline up' ended with code 1 again and again: 'up' has stopped" in told[-1]


def test_without_a_channel_nothing_is_raised(settings: Settings) -> None:
    alerts = PartAlerts(settings, silent)
    alerts.start()
    alerts.fell("ui", 1, given_up=False)
    alerts.stop()
    assert [item.topic for item in alerts.incidents()] == ["part: ui"]
    assert not settings.alert_dir.exists()
