"""The demo's carrier: every habit and fault in its file is found and named as what it is."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from cdr_pipeline.simulator.carrier_file import documents_of_business_day
from cdr_pipeline.simulator.demo_carrier import PROFILE, demo_file, write_demo_profile
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter
from cdr_pipeline.steps.reconciliation.decisions import decide_selected
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.rejects import DismissRequest, dismiss_rejects
from tests.support.carriers import drop, reconciled
from tests.support.nights import DAY, night, warehouse


@pytest.fixture
def switch() -> SimulatedSwitch:
    return SimulatedSwitch.build(accounts=1, calls_per_day=200)


def test_the_demos_carrier_shows_the_kinds_that_were_planted(place: RunContext, switch: SimulatedSwitch) -> None:
    (account,) = switch.accounts
    write_demo_profile(place.settings.profile_dir)
    night(place)
    documents = documents_of_business_day(switch, account, DAY)
    file = demo_file(documents, account_id=account.account_id, day=str(DAY))
    assert demo_file(documents, account_id=account.account_id, day=str(DAY)).content == file.content
    drop(place, account.account_id, file.content, profile=PROFILE)
    reconciled(place)
    # The breaks of a day with rejected lines are named too.
    next_day = replace(place, clock=lambda: datetime.combine(DAY, time(), UTC) + timedelta(days=2))
    assert {item.code for item in find_problems(next_day)} >= {"reconciliation_red", "rows_rejected"}
    # What the demo says last ends both.
    decided = decide_selected(
        BreakFilter(states=["open"]), place, decision="accepted", reason="planted", decided_by="demo"
    )
    assert [(day.light, day.open_breaks, day.rejected_lines) for day in decided.days] == [("red", 0, 2)]
    dismiss_rejects(DismissRequest("demo", "planted", business_date=DAY), place)
    assert not {item.code for item in find_problems(next_day)} & {"reconciliation_red", "rows_rejected"}
    counts = dict(warehouse(place, "SELECT class, count(*) FROM reconciled_calls WHERE class <> 'matched' GROUP BY 1"))
    causes = dict(warehouse(place, "SELECT cause, count(*) FROM reconciled_calls WHERE cause IS NOT NULL GROUP BY 1"))
    planted = {words.split(",")[0]: count for words, count in file.planted.items()}
    assert counts["missing_at_carrier"] == planted["calls that the carrier forgot to charge"] == 2
    assert counts["missing_in_switch"] == planted["calls that only the carrier has"] == 2
    assert counts["unpriced"] == planted["calls to France without an amount"] > 0
    assert counts["other_charge"] == planted["fees without a call"] == 1
    assert counts["credited"] == 2 * planted["calls charged twice too high"]
    assert causes["ringing_billed"] == planted["calls charged from the first ring"] == 2
    # A call whose length is a multiple of both steps costs the same.
    assert 0 < causes["increment"] <= planted["calls to UK mobiles in steps of 60 instead of 6 seconds"]
    assert 0 < causes["factor"] <= planted["calls to Germany with 19 % tax on the agreed price"]
    assert causes.keys() <= {"no_amount", "ringing_billed", "increment", "factor", "duration", "split", "credit"}


def test_the_demos_other_files_agree_with_the_switch(place: RunContext, switch: SimulatedSwitch) -> None:
    (account,) = switch.accounts
    write_demo_profile(place.settings.profile_dir)
    night(place)
    documents = documents_of_business_day(switch, account, DAY)
    file = demo_file(documents, account_id=account.account_id, day=str(DAY), faults=False)
    drop(place, account.account_id, file.content, profile=PROFILE)
    done = reconciled(place)
    assert [item.light for item in done.carriers] == ["green"]
    classes = warehouse(place, "SELECT DISTINCT class FROM reconciled_calls ORDER BY class")
    assert classes == [("matched",), ("unbillable",)]
    assert warehouse(place, "SELECT count(*) FROM rejects") == [(0,)]
