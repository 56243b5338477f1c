"""Decisions about breaks: they settle days, nothing is lost, and every command that a message names helps."""

import csv
import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from threading import Barrier

import pytest
from typer.testing import CliRunner

from cdr_pipeline.cli.reconciliation.decisions import breaks_app
from cdr_pipeline.core.reconcile.result.decisions import BreakCriteria
from cdr_pipeline.defs.reconciliation.reconciliation import tolerated
from cdr_pipeline.errors import DecisionConflict, InvalidDecision
from cdr_pipeline.steps.days.seal_days import Obstacle, SealRequest, seal_days
from cdr_pipeline.steps.operations.health import Problem, find_problems
from cdr_pipeline.steps.reconciliation import decision_rules
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter, PackRequest, export_breaks, list_breaks
from cdr_pipeline.steps.reconciliation.credit_notes import record_credit_note
from cdr_pipeline.steps.reconciliation.decisions import decide_breaks, decide_from_file, decide_selected
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.reconciliation.decisions import CreditNote
from tests.support.nights import warehouse
from tests.support.two_sides import DAY, MORNING, deliver, legs, line, one, starts

ALL = BreakFilter()
OPEN = BreakFilter(states=["open"])


def red_day(ctx: RunContext, *, overcharged: int = 4, cost: str = "0.20") -> None:
    """A red day: 40 calls, some of which are charged twice the price."""
    legs(ctx, starts(40))
    deliver(ctx, *(line(i, start, cost=cost if i < overcharged else "0.10") for i, start in enumerate(starts(40))))
    assert one(ctx).light == "red"


def decide_all(ctx: RunContext, decision: str = "accepted") -> None:
    decide_selected(OPEN, ctx, decision=decision, reason="agreed by phone", decided_by="ada")  # type: ignore[arg-type]


def complaints(ctx: RunContext) -> list[Problem]:
    """What ``doctor`` lists about reconciliations."""
    codes = ("reconciliation_red", "exposure", "charges_unverified")
    next_day = replace(ctx, clock=lambda: MORNING + timedelta(days=2))
    return [item for item in find_problems(next_day) if item.code in codes]


def obstacles(ctx: RunContext) -> tuple[Obstacle, ...]:
    (day,) = seal_days(SealRequest([DAY], ["acct"]), ctx)
    return day.obstacles


def status(ctx: RunContext) -> str:
    with ctx.ledger() as ledger:
        return ledger.reconciliations.of_day("acct", DAY).status


def states(ctx: RunContext) -> list[str]:
    return sorted(item.state for item in list_breaks(ALL, ctx))


@pytest.fixture
def command(place: RunContext, monkeypatch: pytest.MonkeyPatch) -> "Command":
    monkeypatch.setenv("CDR_WAREHOUSE_URL", place.url)
    monkeypatch.setenv("CDR_DATA_DIR", str(place.settings.data_dir))
    return Command()


class Command:
    """Runs ``cdr-pipeline breaks`` with these arguments."""

    def __call__(self, text: str, *, exit_code: int = 0) -> str:
        done = CliRunner().invoke(breaks_app, shlex.split(text))
        assert (done.exit_code, done.exception) == (exit_code, None) or exit_code, done.output
        return done.output


def filled_in(problem_command: str) -> str:
    """A command of a message with a person's words, without the name of the program."""
    words = {"DECISION": "accepted", "NAME": "Ada", "TEXT": "checked"}
    return " ".join(words.get(word, word) for word in problem_command.split()).removeprefix("cdr-pipeline breaks ")


def test_a_red_day_is_settled_when_its_last_break_is_decided(place: RunContext) -> None:
    red_day(place)
    first, *rest = list_breaks(ALL, place)
    some = decide_breaks(
        [item.outcome_id for item in rest], place, decision="disputed", reason="rate", decided_by="ada"
    )
    assert [(day.light, day.open_breaks) for day in some.days] == [("red", 1)]
    last = decide_breaks([first.outcome_id], place, decision="accepted", reason="small", decided_by="ada")
    assert [(day.light, day.open_breaks) for day in last.days] == [("settled", 0)]
    assert status(place) == "settled"


def test_a_settled_day_is_no_obstacle_to_sealing(place: RunContext) -> None:
    red_day(place)
    assert Obstacle.RECONCILIATION in obstacles(place)
    decide_all(place)
    assert Obstacle.RECONCILIATION not in obstacles(place)


def test_the_check_passes_for_a_settled_day(place: RunContext) -> None:
    red_day(place)
    assert not tolerated([one(place)]).passed
    decide_all(place)
    assert tolerated([one(place)]).passed


def test_the_command_that_doctor_names_ends_its_complaint(place: RunContext, command: Command) -> None:
    red_day(place)
    (problem,) = complaints(place)
    assert problem.code == "reconciliation_red"
    output = command(filled_in(problem.command))
    assert "settled" in output
    assert complaints(place) == []


def test_the_command_that_decide_names_settles_the_day(place: RunContext, command: Command) -> None:
    red_day(place)
    some = list_breaks(ALL, place)[0].outcome_id
    output = command(f"decide {some} --as accepted --by Ada --reason small")
    (named,) = (text for text in output.splitlines() if "cdr-pipeline breaks decide" in text)
    command(filled_in(named.strip()))
    assert status(place) == "settled"


def test_the_page_of_a_settled_day_says_what_was_decided(place: RunContext) -> None:
    red_day(place)
    report = one(place).report
    assert "Red: above what is tolerated" in report.read_text("utf-8")
    ids = [item.outcome_id for item in list_breaks(ALL, place)]
    decide_breaks(ids[:1], place, decision="accepted", reason="small", decided_by="ada")
    decide_breaks(ids[1:], place, decision="disputed", reason="rate", decided_by="ada")
    page = " ".join(report.read_text("utf-8").split())
    assert "Settled: every break is decided" in page
    assert '<td>Accepted, USD</td><td class="n">1</td><td class="n">0.1000</td>' in page
    assert '<td>Disputed, USD</td><td class="n">3</td><td class="n">0.3000</td>' in page


def test_another_break_makes_a_settled_day_red_again(place: RunContext) -> None:
    red_day(place)
    decide_all(place)
    deliver(place, line(50, MORNING + timedelta(hours=9), id_="extra", cost="0.30"), name="late.csv")
    again = one(place)
    assert (again.light, again.open_breaks, again.kept.number) == ("red", 1, 2)
    assert states(place) == ["accepted"] * 4 + ["open"]


def test_charges_that_nothing_verifies_are_not_settled_by_decisions(place: RunContext) -> None:
    legs(place, starts(40))
    warehouse(place, "UPDATE cdr SET cost = NULL RETURNING 1")
    deliver(place, *(line(i, start) for i, start in enumerate(starts(39))))
    one(place)
    decide_all(place)
    assert (one(place).light, status(place)) == ("red", "red")
    assert [item.code for item in complaints(place)] == ["charges_unverified"]


def test_who_decides_second_is_told_and_nothing_is_recorded(place: RunContext) -> None:
    red_day(place)
    first, second, *_ = list_breaks(ALL, place)
    decide_breaks([first.outcome_id], place, decision="accepted", reason="small", decided_by="ada")
    ids = [second.outcome_id, first.outcome_id]
    with pytest.raises(DecisionConflict, match="is accepted by a person"):
        decide_breaks(ids, place, decision="disputed", reason="rate", decided_by="grace")
    assert states(place) == ["accepted", "open", "open", "open"]
    replaced = decide_breaks([first.outcome_id], place, decision="disputed", reason="rate", decided_by="g", expected=1)
    assert [item.state for item in replaced.breaks] == ["accepted"]
    assert states(place)[0] == "disputed"


def test_of_two_people_at_once_one_decides_all_and_one_nothing(place: RunContext) -> None:
    red_day(place)
    ids = [item.outcome_id for item in list_breaks(ALL, place)]
    both = Barrier(2)

    def decide(person: str) -> str:
        both.wait(30)
        try:
            decide_breaks(ids, place, decision="accepted", reason="small", decided_by=person)
        except DecisionConflict:
            return "told"
        return person

    with ThreadPoolExecutor(2) as pool:
        results = sorted(pool.map(decide, ["ada", "grace"]))
    assert results[1] == "told"
    found = warehouse(place, "SELECT decided_by, count(*), max(decision_no) FROM break_decisions GROUP BY 1")
    assert found == [(results[0], 4, 1)]


def test_a_decision_can_be_withdrawn_and_the_day_is_red_again(place: RunContext) -> None:
    red_day(place)
    decide_all(place)
    wrong = list_breaks(ALL, place)[0].outcome_id
    decide_breaks([wrong], place, decision="open", reason="wrong call", decided_by="ada", expected=1)
    assert (status(place), states(place)) == ("red", ["accepted"] * 3 + ["open"])


@pytest.mark.parametrize(("reason", "person"), [(" ", "ada"), ("why", "")])
def test_a_decision_needs_a_reason_and_a_person(place: RunContext, reason: str, person: str) -> None:
    red_day(place)
    with pytest.raises(InvalidDecision):
        decide_selected(OPEN, place, decision="accepted", reason=reason, decided_by=person)
    assert warehouse(place, "SELECT count(*) FROM break_decisions") == [(0,)]


def test_a_filter_decides_exactly_what_it_lists(place: RunContext, command: Command) -> None:
    red_day(place)
    deliver(place, line(50, MORNING + timedelta(hours=9), id_="extra", cost="0.30"), name="late.csv")
    one(place)
    shown = command(f"decide --from {DAY} --to {DAY} --at-least 0.2 --as disputed --by Ada --reason why --dry-run")
    assert "1 break would be decided: 0.3 USD too much" in shown
    assert set(states(place)) == {"open"}
    command(f"decide --from {DAY} --to {DAY} --at-least 0.2 --as disputed --by Ada --reason why")
    assert {item.match_class for item in list_breaks(BreakFilter(states=["disputed"]), place)} == {"missing_in_switch"}


@pytest.mark.parametrize(
    "wrong", ["--class nonsense", "--cause nonsense", "--state nonsense", "--below much", "--at-least -1"]
)
def test_a_filter_with_a_typing_error_decides_nothing(place: RunContext, command: Command, wrong: str) -> None:
    red_day(place)
    command(f"decide {wrong} --as accepted --by Ada --reason why", exit_code=2)
    assert set(states(place)) == {"open"}


def test_the_internal_pack_filled_in_decides_its_breaks(place: RunContext, tmp_path: Path) -> None:
    red_day(place)
    pack = export_breaks(PackRequest(DAY, "acct", "bell", tmp_path, internal=True), place).pack
    with pack.csv_file.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, decision in zip(rows, ["accepted", "disputed", "", ""], strict=True):
        row |= {"decision": decision, "decision_reason": "checked" if decision else ""}
    with pack.csv_file.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    decide_from_file(pack.csv_file, place, decided_by="ada")
    assert states(place) == ["accepted", "disputed", "open", "open"]
    with pytest.raises(DecisionConflict):
        decide_from_file(pack.csv_file, place, decided_by="grace")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("outcome_id\nx\n", "lacks the columns"),
        ("outcome_id,decision,decision_reason\nabcdef,maybe,why\n", "line 2: no valid decision"),
        ("outcome_id,decision\nabcdef,accepted\n", "line 2: no valid reason"),
        ("outcome_id,decision\nabcdef,\n", "has no decision"),
    ],
)
def test_a_file_of_decisions_that_is_wrong_decides_nothing(
    place: RunContext, tmp_path: Path, text: str, named: str
) -> None:
    (tmp_path / "decisions.csv").write_text(text)
    with pytest.raises(InvalidDecision, match=named):
        decide_from_file(tmp_path / "decisions.csv", place, decided_by="ada")


def test_a_rule_decides_open_breaks_now_and_at_every_reconciliation(place: RunContext) -> None:
    red_day(place)
    below = BreakCriteria(below=Decimal("0.15"))
    _, result = decision_rules.add_rule(below, place, decision="accepted", reason="small", created_by="ada")
    assert (len(result.breaks), status(place)) == (4, "settled")
    deliver(place, line(5, starts(6)[5], cost="0.21"), line(6, starts(7)[6], cost="0.90"), name="corrected.csv")
    one(place)
    rule = decision_rules.list_rules(place)[0]
    assert states(place) == ["accepted"] * 5 + ["open"]
    assert {item.rule_id for item in list_breaks(BreakFilter(states=["accepted"]), place)} == {rule.rule_id}
    past = warehouse(place, "SELECT DISTINCT decided_by, reason, rule_id FROM break_decisions")
    assert past == [("ada", "small", rule.rule_id)]


def test_a_rule_changes_no_decision_of_a_person(place: RunContext) -> None:
    red_day(place)
    accepted, reopened, *_ = [item.outcome_id for item in list_breaks(ALL, place)]
    for id_, decision, known in ((accepted, "accepted", 0), (reopened, "accepted", 0), (reopened, "open", 1)):
        decide_breaks([id_], place, decision=decision, reason="r", decided_by="ada", expected=known)  # type: ignore[arg-type]
    decision_rules.add_rule(BreakCriteria("bell"), place, decision="disputed", reason="all", created_by="grace")
    assert states(place) == ["accepted", "disputed", "disputed", "open"]


def test_a_rule_that_has_ended_decides_nothing(place: RunContext) -> None:
    bell = BreakCriteria("bell")
    (rule,), _ = decision_rules.add_rule(bell, place, decision="disputed", reason="all", created_by="ada")
    decision_rules.end_rule(rule.rule_id, place, ended_by="grace", reason="new contract")
    red_day(place)
    assert set(states(place)) == {"open"}
    assert decision_rules.list_rules(place) == []
    (ended,) = decision_rules.list_rules(place, ended=True)
    assert (ended.ended_by, ended.end_reason) == ("grace", "new contract")


def test_a_rule_covers_unpriced_charges_only_if_it_names_them(place: RunContext) -> None:
    place.settings.profile_dir.mkdir(parents=True)
    (place.settings.profile_dir / "bell.toml").write_text(
        'native_id = ["id"]\ncurrency = "USD"\n[time]\nnotation = "any"\n[fields]\nstarted_at = "start_time"\n'
        '[reconcile]\ncarrier = "bell"\nrate_card = "bell.csv"\n'
    )
    (place.settings.profile_dir / "bell.csv").write_text("prefix,rate\n447700900,0.10\n")
    legs(place, starts(40), last={"callee_id_number": "+88213123456", "callee_e164": "+88213123456"})
    lines = [line(i, start) for i, start in enumerate(starts(40))]
    deliver(place, *lines[:-1], lines[-1].replace("+447700900039", "+88213123456"))
    decision_rules.add_rule(
        BreakCriteria(below=Decimal(9)), place, decision="accepted", reason="small", created_by="ada"
    )
    assert (one(place).light, states(place)) == ("red", ["open"])
    named = BreakCriteria(classes=("unpriced",))
    decision_rules.add_rule(named, place, decision="disputed", reason="not agreed", created_by="ada")
    assert (one(place).light, states(place)) == ("settled", ["disputed"])


def test_a_rule_without_a_criterion_is_refused(place: RunContext) -> None:
    with pytest.raises(InvalidDecision):
        decision_rules.add_rule(BreakCriteria(), place, decision="accepted", reason="all", created_by="ada")


def credit(ctx: RunContext, amount: str, *, number: str = "CN-7", partial: bool = False) -> Decimal:
    note = CreditNote("acct", "bell", number, Decimal(amount), "USD", Decimal(0))
    disputed = BreakFilter(["acct"], "bell", states=["disputed"], currency="USD")
    used, _ = record_credit_note(note, disputed, ctx, recorded_by="ada", partial=partial)
    return used.used


def test_a_credit_note_of_the_disputed_sum_closes_the_disputes(place: RunContext) -> None:
    red_day(place)
    decide_all(place, "disputed")
    assert credit(place, "0.40") == Decimal("0.40")
    assert states(place) == ["credited"] * 4
    assert {item.credit_note for item in list_breaks(ALL, place)} == {"CN-7"}
    assert status(place) == "settled"


def test_a_credit_note_of_another_amount_closes_nothing_unless_partial(place: RunContext) -> None:
    red_day(place)
    decide_all(place, "disputed")
    with pytest.raises(InvalidDecision, match=r"0\.25 USD, 4 disputed breaks"):
        credit(place, "0.25")
    assert states(place) == ["disputed"] * 4
    assert credit(place, "0.25", partial=True) == Decimal("0.20")
    assert states(place) == ["credited", "credited", "disputed", "disputed"]


def test_a_credit_note_counts_once(place: RunContext) -> None:
    red_day(place)
    decide_all(place, "disputed")
    credit(place, "0.10", partial=True)
    with pytest.raises(InvalidDecision, match="is on record"):
        credit(place, "0.10", partial=True)
    assert states(place) == ["credited", "disputed", "disputed", "disputed"]


def test_notes_and_the_person_in_charge_are_kept_and_shown(place: RunContext, command: Command) -> None:
    red_day(place)
    report, id_ = one(place).report, list_breaks(ALL, place)[0].outcome_id
    command(f"note {id_} --text 'asked the carrier' --assign Grace --by Ada")
    command(f"note {id_} --text 'they will answer' --by Grace")
    shown = command(f"show {id_[:10]}")
    assert "asked the carrier" in shown
    assert "they will answer" in shown
    assert "with Grace" in report.read_text("utf-8")
    assert [item.outcome_id for item in list_breaks(BreakFilter(assignee="Grace"), place)] == [id_]
