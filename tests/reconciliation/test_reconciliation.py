"""The switch against a carrier, over HTTP, through the steps, into a real warehouse and onto a page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import stamina
from pydantic import SecretStr

from cdr_pipeline.settings import Settings
from cdr_pipeline.simulator.carrier_file import CarrierFile
from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.steps.reconciliation.reconcile_day import ReconciledDay
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.carriers import carriers_night, reconciled
from tests.support.databases import copied_database
from tests.support.nights import DAY, playing, warehouse
from tests.support.own_clock import by_own_clock


@dataclass(frozen=True)
class Night:
    """A night of a switch with its carriers' files, reconciled once for all tests, which change nothing of it."""

    place: RunContext
    switch: SimulatedSwitch
    files: dict[str, CarrierFile]
    done: ReconciledDay


@pytest.fixture(scope="module")
def played(embedded_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    folder, switch = tmp_path_factory.mktemp("reconciliation"), SimulatedSwitch.build(calls_per_day=120)
    with (
        copied_database(embedded_server) as url,
        stamina.set_testing(testing=True, attempts=5, cap=True),
        run_switch(switch) as running,
    ):
        home: Any = {"DAGSTER_HOME": folder / "dagster_home"}
        settings = Settings(data_dir=folder, warehouse_url=SecretStr(url), upload_settle_seconds=0, **home)
        ctx = RunContext.open(by_own_clock(settings), clock=lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))
        place = playing(ctx, switch, running.url, api_details=True)
        yield Night(place, switch, carriers_night(place, switch), reconciled(place))


def breaks_of(ctx: RunContext, account_id: str) -> dict[str, set[str]]:
    """Call ids, or the carrier's ids where the switch has none, of the newest breaks by class."""
    with ctx.ledger() as ledger:
        found: dict[str, set[str]] = {}
        for item in ledger.reconciliations.breaks([account_id]):
            found.setdefault(item.match_class, set()).add(item.switch_call_id or item.carrier_record_id or "")
        return found


def test_the_carriers_known_differences_are_exactly_the_breaks(played: Night) -> None:
    for account in played.switch.accounts:
        known = played.files[account.account_id].differences
        found = breaks_of(played.place, account.account_id)
        # Seven seconds more cost more, unless both end in the same step of six seconds.
        longer = found.pop("both_mismatch", set()) | found.pop("duration_mismatch", set())
        assert longer == set(known.longer_at_carrier)
        assert found == {
            "missing_at_carrier": set(known.missing_at_carrier),
            "missing_in_switch": set(known.missing_in_switch),
            "cost_mismatch": set(known.dearer_at_carrier),
        }


def test_a_call_that_both_sides_have_counts_once_in_the_merged_view(played: Night) -> None:
    place = played.place
    for account in played.switch.accounts:
        both, lonely = warehouse(
            place,
            "SELECT count(*) FILTER (WHERE origin = 'api+imported'), count(*) FILTER (WHERE origin = 'imported')"
            f" FROM cdr_merged WHERE account_id = '{account.account_id}'",
        )[0]
        records = warehouse(
            place, f"SELECT count(*) FROM cdr WHERE origin = 'imported' AND account_id = '{account.account_id}'"
        )[0][0]
        assert (both, lonely) == (records - 2, 2)


def test_reconciling_again_writes_nothing_and_says_so(played: Night) -> None:
    place, first = played.place, played.done
    tables = ("reconciliations", "reconciled_calls", "cdr_links", "days")
    before = [warehouse(place, f"SELECT * FROM {table} ORDER BY {table}::text") for table in tables]
    pages = {item.report: item.report.read_bytes() for item in first.carriers}
    again = reconciled(place)
    assert [item.kept.fresh for item in again.carriers] == [False] * 3
    assert [warehouse(place, f"SELECT * FROM {table} ORDER BY {table}::text") for table in tables] == before
    assert {item.report: item.report.read_bytes() for item in again.carriers} == pages


def test_every_leg_of_the_day_is_in_exactly_one_outcome(played: Night) -> None:
    place = played.place
    assert warehouse(
        place,
        "SELECT switch_record_id FROM reconciled_calls WHERE switch_record_id IS NOT NULL"
        " GROUP BY account_id, switch_record_id HAVING count(*) > 1",
    ) == []  # fmt: skip
    ((legs, outcomes),) = warehouse(
        place,
        f"SELECT (SELECT count(*) FROM cdr WHERE origin = 'api' AND business_date = '{DAY}' AND call_direction ="
        " 'outbound' AND callee_e164 IS NOT NULL), (SELECT count(switch_record_id) FROM reconciled_calls)",
    )
    assert legs == outcomes > 100
