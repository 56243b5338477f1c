"""Durations that are written as clocks: m:ss or h:mm."""

from collections.abc import Sequence

from cdr_pipeline.sources.uploads.drafting.columns.contents import CLOCK_2
from cdr_pipeline.sources.uploads.drafting.state import DraftState
from cdr_pipeline.sources.uploads.drafting.tables.compared_durations import compared_clock
from cdr_pipeline.sources.uploads.drafting.tables.duration_units import DURATIONS, unit_of


def clock_unit(state: DraftState, role: str, name: str, values: Sequence[str], stated: str) -> str:
    """Unit of durations written with colons, by the name of the column, the times of the same rows, or an answer."""
    if stated in ("hh:mm", "hh:mm:ss") and not (stated == "hh:mm" and any(value.count(":") > 1 for value in values)):
        return stated
    if not all(CLOCK_2.fullmatch(value) for value in values):
        state.result.decided.append("durations are HH:MM:SS")
        return "hh:mm:ss"
    compared = compared_clock(state, role)
    if compared:
        state.result.decided.append(f"durations in {name} are {compared}, by the times of the same rows")
        return DURATIONS[compared]
    if all(value.startswith(("0:", "00:")) for value in values):
        why = "no value is longer than 59 parts"
    else:
        why = f"values such as {values[0]} fit both"
    answer = state.ask(
        "duration",
        f"whether durations in {name} are minutes:seconds or hours:minutes: {why}",
        ("m:ss", "h:mm"),
        "m:ss",
    )
    return "FILL IN: hh:mm:ss (for m:ss) or hh:mm" if answer is None else unit_of(answer)
