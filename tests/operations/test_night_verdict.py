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
from cdr_pipeline.steps.operations.health import Problem, find_problems
from cdr_pipeline.steps.operations.night_alerts import problem_incidents
from cdr_pipeline.steps.operations.night_page import night_markdown
from cdr_pipeline.steps.operations.night_report import NightReport
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import LoadedUploads
from cdr_pipeline.warehouse.ledger import NightAccount
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
    assert report.verdict == "Good: all 1 accounts are collected whole and have their files."


def test_a_page_with_problems_never_says_good(report: NightReport) -> None:
    broken = replace(report, broken=(PROBLEM,))
    assert not broken.good
    page = night_markdown(broken)
    assert "**Not good: all 1 accounts are collected whole and have their files, but 1 problem needs action.**" in page
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
