"""Opens the context of a step and holds the step's lease while it runs."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from cdr_pipeline.defs.process import own_process
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.steps.operations.step_leases import kept_lease
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.operations.leases import RunningStep


@contextmanager
def leased_context(
    context: dg.AssetExecutionContext | dg.OpExecutionContext, run_contexts: RunContexts
) -> Generator[RunContext]:
    """The context of a step. Every machine can see that the step runs; see ``dead_runs``.

    Raises:
        Failure: the run has ended meanwhile. A broker may deliver a step of it to another worker hours later.
    """
    run = context.instance.get_run_by_id(context.run.run_id)
    if run is not None and run.is_finished:
        raise dg.Failure(
            f"[run_ended] run {run.run_id} has ended as {run.status.value.lower()}; no step of it is executed",
            allow_retries=False,
        )
    ctx = run_contexts.open(context)
    with kept_lease(RunningStep(context.run.run_id, step_key(context), own_process()), ctx):
        yield ctx


def step_key(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> str:
    """Name of the step in its run; a shard has its number in brackets."""
    op = context.op_execution_context if isinstance(context, dg.AssetExecutionContext) else context
    mapping_key = op.get_mapping_key()
    return f"{op.op_handle}[{mapping_key}]" if mapping_key else str(op.op_handle)
