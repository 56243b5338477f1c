"""Decision rules, and runs of a day that a person starts."""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from cdr_pipeline.serving.app import ServedApp
from cdr_pipeline.steps.operations import day_runs
from cdr_pipeline.steps.operations.day_runs import start_day_run
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, list_breaks
from tests.support.console import ServedConsole
from tests.support.serving import listening

RULE = {"account": "self", "carrier": "bell", "class": "cost_mismatch", "decision": "disputed", "reason": "price list"}


def states(console: ServedConsole) -> set[str]:
    """States of all breaks."""
    return {item.state for item in list_breaks(BreakFilter(accounts=["self"]), console.ctx)}


def test_a_rule_is_previewed_added_and_ended(shared_console: ServedConsole) -> None:
    person = shared_console.person("finance", "self")
    page = person.send("/rules", **RULE, action="preview").text
    assert "It would decide 12 open breaks now." in page
    assert states(shared_console) == {"open"}
    assert person.send("/rules", **RULE, action="add").status_code == 303
    assert states(shared_console) == {"disputed"}
    found = re.search(r'name="rule" value="(\w+)"', person.get("/rules").text)
    assert found is not None
    foreign = shared_console.person("finance", "child")
    assert foreign.send("/rules/end", rule=found[1], account="self", reason="x").status_code == 404
    ended = {"rule": found[1], "account": "self", "reason": "new prices"}
    assert shared_console.person("viewer").send("/rules/end", **ended).status_code == 403
    assert person.send("/rules/end", **ended).status_code == 303
    assert "No rule is in force" in person.text("/rules")
    text = person.text("/audit")
    assert "added a decision rule" in text
    assert "ended a decision rule" in text
    assert "price list" in text


def test_a_rule_without_a_criterion_is_refused(shared_console: ServedConsole) -> None:
    answer = shared_console.person("finance").send("/rules", reason="all of them", action="add")
    assert (answer.status_code, "would decide every break" in answer.text) == (400, True)


@pytest.fixture(scope="module")
def running_console(shared_console: ServedConsole, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedConsole]:
    """A console of which the command of a run is replaced by a short one that prints its arguments."""
    folder = tmp_path_factory.mktemp("command")
    command = folder / "command"
    command.write_text(f"#!{sys.executable}\nimport sys\nprint('asked for', *sys.argv[4:])\nsys.exit(9)\n")
    command.chmod(0o755)
    settings = shared_console.ctx.settings.model_copy(update={"dagster_home": folder})
    ctx = replace(shared_console.ctx, settings=settings)
    with pytest.MonkeyPatch.context() as patch, listening(ServedApp(ctx)) as url:
        patch.setattr(day_runs, "_PROGRAM", str(command))
        with closing(ServedConsole(url, ctx)) as served:
            yield served


def test_an_operator_runs_a_day_and_sees_how_it_ends(running_console: ServedConsole) -> None:
    person = running_console.person("operator", "self")
    assert person.send("/operations/run", date="2026-03-02", account="self").status_code == 303
    deadline = time.monotonic() + 30
    while "not complete" not in (text := person.text("/operations")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "asked for --date 2026-03-02 --account self" in text
    assert "ran a day" in person.text("/audit")
    assert "asked for" not in running_console.person("operator", "child").text("/operations")


@pytest.mark.parametrize(
    ("role", "form", "status"),
    [
        ("approver", {"date": "2026-03-02"}, 403),
        ("operator", {"date": "2026-03-10"}, 400),
        ("operator", {"date": "2026-03-02", "account": "stranger"}, 404),
    ],
)
def test_a_run_that_is_not_allowed_does_not_start(
    running_console: ServedConsole, role: str, form: dict[str, str], status: int
) -> None:
    before = len(day_runs.day_runs(running_console.ctx))
    assert running_console.person(role, "self").send("/operations/run", **form).status_code == status
    assert len(day_runs.day_runs(running_console.ctx)) == before


def test_a_lost_run_is_shown_as_not_complete(running_console: ServedConsole) -> None:
    start_day_run(date(2026, 3, 3), ["self"], running_console.ctx, started_by="A. Operator")
    newest = max((running_console.ctx.settings.dagster_home / "day_runs").iterdir())
    deadline = time.monotonic() + 30
    while not (newest / "exit").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    Path(newest / "exit").unlink()
    while (run := day_runs.day_runs(running_console.ctx)[0]).runs and time.monotonic() < deadline:
        time.sleep(0.05)
    assert run.exit_code == -1
