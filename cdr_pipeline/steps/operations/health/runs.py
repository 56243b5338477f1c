"""Problems of runs whose process has died."""

from collections.abc import Iterator

from cdr_pipeline.core.charts.composed_text import ComposedText
from cdr_pipeline.steps.operations.health.problem import Problem
from cdr_pipeline.steps.operations.step_leases import overdue_leases
from cdr_pipeline.steps.run_context import RunContext

RUN_WITHOUT_PROCESS = "run_without_process"
END_DEAD_RUNS = "cdr-pipeline doctor --fix"


def run_problems(ctx: RunContext) -> Iterator[Problem]:
    """Runs of which a process has died, on any machine. They are told by their leases, without asking Dagster."""
    # Of a run, the step that has been silent for longest.
    silent = {lease.run_id: lease for lease in reversed(overdue_leases(ctx))}
    for lease in silent.values():
        yield Problem(
            ComposedText("run {run}: its {step} gives no sign of life", run=lease.run_id, step=lease.step),
            RUN_WITHOUT_PROCESS,
            lease.renewed_at,
            END_DEAD_RUNS,
            lease.run_id,
        )
