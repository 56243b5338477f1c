"""``cdr-pipeline scaling``: predicts a night and its storage."""

from typing import Annotated, Final

import typer

from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import is_json, reports, show
from cdr_pipeline.errors.counts import count_of

_PHASES: Final = listing("phases", "One process on two cores, everything new", "phase", "seconds", numbers=("seconds",))
_PLAN: Final = listing(
    "prediction", "Prediction", "seconds", "most_seconds", "warehouse_bytes", "log_bytes", "file_bytes_per_day",
    "core_hours", single=True, blocks=True,
)  # fmt: skip


@reports(_PHASES, _PLAN)
def scaling(
    *,
    accounts: Annotated[int, typer.Option(min=1, help="Accounts that a night collects.")],
    calls_per_day: Annotated[int, typer.Option(min=0, help="Records of a day, over all accounts.")],
    workers: Annotated[int, typer.Option(min=1, help="Workers of two cores that share a night.")] = 1,
    nodes: Annotated[int, typer.Option(min=0, help="Nodes of a Citus cluster; 0: one server.")] = 0,
    keep_days: Annotated[int, typer.Option(min=1, help="Days of records in the warehouse.")] = 90,
    core_hour_price: Annotated[float, typer.Option(min=0, help="Price of an hour of one core.")] = 0.0,
    gigabyte_price: Annotated[float, typer.Option(min=0, help="Price of a gigabyte for a month.")] = 0.0,
) -> None:
    """Predict the time and storage of a night from the measured benchmarks. Reads and changes nothing.

    'cdr-pipeline docs scaling' explains the model and its error.
    """
    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.steps.operations.scaling import Plan, predict

    result = predict(Plan(accounts, calls_per_day, workers, nodes, keep_days))
    phases = {**result.phases, "night": sum(result.phases.values())}
    show(_PHASES, ((name, Cell(seconds, f"{seconds:,.1f}")) for name, seconds in phases.items()))
    if is_json():
        predicted = (result.seconds, result.most_seconds, result.warehouse_bytes, result.log_bytes, result.file_bytes)
        show(_PLAN, [(*predicted, result.core_hours)])
    if workers > 1 or nodes:
        out.print(
            f"{count_of(workers, 'worker')}, {count_of(nodes or 0, 'Citus node')}: {_duration(result.seconds)} if the"
            f" warehouse keeps up, {_duration(result.most_seconds)} if it does not get faster",
            soft_wrap=True,
        )
    disk = result.warehouse_bytes + result.file_bytes * keep_days
    out.print(f"warehouse with {keep_days} days: {_size(result.warehouse_bytes)}; its log of a night: up to "
              f"{_size(result.log_bytes)}; files of a day: {_size(result.file_bytes)}", soft_wrap=True)  # fmt: skip
    if core_hour_price or gigabyte_price:
        month = result.core_hours * 30 * core_hour_price + disk / 1e9 * gigabyte_price
        out.print(f"a month: {month:,.2f} for {result.core_hours * 30:,.1f} core hours of nights and {_size(disk)}")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:,.1f} min"  # noqa: PLR2004 - two minutes


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"
