"""Dagster's check of breaks shows a decision without another night of the day."""

from collections.abc import Iterator

import dagster as dg
import pytest

from cdr_pipeline.defs.build import build_definitions
from cdr_pipeline.defs.dagster_private import latest_result
from cdr_pipeline.defs.instance import open_instance
from cdr_pipeline.defs.reconciliation.reconciliation import TOLERATED
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.steps.reconciliation.breaks import BreakFilter
from cdr_pipeline.steps.reconciliation.decisions import decide_selected
from cdr_pipeline.steps.run_context import RunContext
from tests.support.two_sides import DAY, deliver, legs, line, one, starts

KEY = dg.AssetCheckKey(dg.AssetKey("reconciliation"), TOLERATED)


class Daemon:
    """Evaluates the sensor on an instance of Dagster and runs what it requests, as Dagster's daemon does."""

    def __init__(self, ctx: RunContext, instance: dg.DagsterInstance) -> None:
        settings = ctx.settings.model_copy(update={"first_date": DAY.isoformat()})
        self._definitions = build_definitions(settings, contexts=RunContexts(settings, clock=ctx.clock))
        self._instance = instance
        self._cursor: str | None = None
        self._keys = set[str]()

    def tick(self) -> int:
        """Number of runs that the sensor requests and that succeed."""
        sensor = self._definitions.resolve_sensor_def("decided_days")
        result = sensor(dg.build_sensor_context(instance=self._instance, cursor=self._cursor))
        assert isinstance(result, dg.SensorResult)
        self._cursor = result.cursor
        requests = [request for request in result.run_requests or () if request.run_key not in self._keys]
        for request in requests:
            self._keys.add(request.run_key or "")
            job = self._definitions.resolve_job_def("decided_days")
            assert job.execute_in_process(instance=self._instance, tags=dict(request.tags)).success
        return len(requests)

    def shown(self) -> bool | None:
        """Whether the day's check passes in Dagster; None if it was never evaluated."""
        found = latest_result(self._instance, KEY, str(DAY))
        return None if found is None else found[1]

    def reconcile(self) -> None:
        """The day's run of the asset; its checks fail, so it does."""
        selection = [dg.AssetKey("reconciliation")]
        job = self._definitions.resolve_job_def("nightly").get_subset(asset_selection=set(selection))
        job.execute_in_process(instance=self._instance, partition_key=str(DAY), raise_on_error=False)


@pytest.fixture
def daemon(place: RunContext) -> Iterator[Daemon]:
    legs(place, starts(40))
    deliver(place, *(line(i, start, cost="0.20" if i < 4 else "0.10") for i, start in enumerate(starts(40))))
    assert one(place).light == "red"
    with open_instance(place.settings) as instance:
        yield Daemon(place, instance)


def decide(ctx: RunContext) -> None:
    decide_selected(BreakFilter(), ctx, decision="accepted", reason="agreed", decided_by="ada")


def test_a_decision_turns_the_check_green_without_another_night(daemon: Daemon, place: RunContext) -> None:
    daemon.reconcile()
    assert (daemon.shown(), daemon.tick()) == (False, 0)
    decide(place)
    assert (daemon.tick(), daemon.shown()) == (1, True)
    assert daemon.tick() == 0


def test_a_day_that_dagster_never_checked_is_left_alone(daemon: Daemon, place: RunContext) -> None:
    decide(place)
    assert (daemon.tick(), daemon.shown()) == (0, None)
