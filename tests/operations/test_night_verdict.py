"""The verdict on a night: one sentence that agrees with the problems that are listed below it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.defs.metadata import AccountTitles
from cdr_pipeline.defs.records.cdr_results import COMPLETE, cdr_result
from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.operations import step_leases
from cdr_pipeline.steps.operations.health import Problem, find_problems
from cdr_pipeline.steps.operations.night_alerts import problem_incidents
from cdr_pipeline.steps.operations.night_page import night_markdown
from cdr_pipeline.steps.operations.night_report import NightReport, night_report
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import LoadedUploads
from cdr_pipeline.warehouse.ledger import NightAccount
from cdr_pipeline.warehouse.operations.leases import RunningStep
from tests.support.days import DAY, collected, deliver, later, seal, state
from tests.support.nights import night, playing

NOW = datetime(2026, 4, 8, 6, tzinfo=UTC)
ACCOUNT = NightAccount("acct", "open", NOW, NOW, "usual", 0, "day.csv", 1, 5, 100, "0" * 64)
PROBLEM = Problem("upload 0123 of account acct could not be read", "held", NOW, "cdr-pipeline uploads list")


@pytest.fixture
def report() -> NightReport:
    """A faultless night of one account."""
    return NightReport(date(2026, 4, 7), NOW, (ACCOUNT,), BatchCounts(), (), {}, {}, ())


def test_a_faultless_night_without_problems_is_good(report: NightReport) -> None:
    assert report.good
    assert report.verdict == "Good: the account is collected whole and has its file."


def test_a_page_with_problems_never_says_good(report: NightReport) -> None:
    broken = replace(report, broken=(PROBLEM,))
    assert not broken.good
    page = night_markdown(broken)
    assert "**Not good: the account is collected whole and has its file, but 1 problem needs action.**" in page
    assert "## Broken now: 1" in page
    assert "Good:" not in page


def test_a_verdict_names_only_what_is_wrong(report: NightReport) -> None:
    wrong = replace(report, accounts=(replace(ACCOUNT, path=None),), broken=(PROBLEM,))
    assert wrong.verdict == "Not good: 1 of 1 accounts have no file, 1 problem needs action."


def test_a_late_day_is_named_at_once_with_the_command_that_restates_it(ctx: RunContext) -> None:
    collected(ctx)
    deliver(ctx, {"record_id": "a"})
    seal(ctx)
    moment = later(ctx, hours=1)
    deliver(moment, {"record_id": "b"})
    assert state(moment) == "late_pending"
    (found,) = [
        item for item in find_problems(later(ctx, hours=2), late_after=timedelta()) if "late_pending" in item.what
    ]
    assert found.command == f"cdr-pipeline days restate --by NAME --reason WHY --date {DAY}"


def test_a_run_whose_machine_died_is_a_problem_once_it_was_not_handed_over(
    ctx: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ctx.ledger() as ledger:
        for step in ("coordinator", "load"):
            ledger.leases.open(RunningStep("a-run", step, "other.example:17:4711"))
    assert "run_without_process" not in {item.code for item in find_problems(ctx)}
    monkeypatch.setattr(step_leases, "EXPIRED_SECONDS", -60.0)
    monkeypatch.setattr(step_leases, "HANDED_OVER_SECONDS", 0.0)
    (found,) = [item for item in night_report(DAY, ctx).broken if item.code == "run_without_process"]
    assert (found.what, found.command) == (
        "run a-run: its coordinator gives no sign of life",
        "cdr-pipeline doctor --fix",
    )


def test_a_day_that_has_not_ended_is_incomplete_everywhere(ctx: RunContext) -> None:
    made = SimulatedSwitch.build(accounts=1, calls_per_day=4)
    (account,) = made.accounts
    today = ctx.clock().astimezone(ZoneInfo(account.time_zone)).date()
    with run_switch(made) as running:
        place = playing(ctx, made, running.url)
        _, loaded = night(place, today)
    (found,) = [item for item in find_problems(place) if item.code == "day_not_ended"]
    assert found.what.startswith(f"{today} has not ended for {account.account_id}: what is collected is incomplete")
    assert found.command == f"cdr-pipeline nightly --date {today} --account {account.account_id}"
    results = cdr_result([loaded], LoadedUploads((), ()), None, {}, AccountTitles({}, Settings())).checks([today])
    complete = next(check for check in results if check.check_name == COMPLETE)
    assert not complete.passed
    assert str(complete.metadata["causes"].value).startswith(f"1 account: {today} ends at ")
    assert problem_incidents([found]) == []
