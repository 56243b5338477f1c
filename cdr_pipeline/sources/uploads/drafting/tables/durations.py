"""Units of durations."""

from cdr_pipeline.sources.uploads.drafting.columns.roles import LENGTHS
from cdr_pipeline.sources.uploads.drafting.state import DraftState
from cdr_pipeline.sources.uploads.drafting.tables.clock_durations import clock_unit
from cdr_pipeline.sources.uploads.drafting.tables.compared_durations import compared_unit
from cdr_pipeline.sources.uploads.drafting.tables.duration_units import unit_of
from cdr_pipeline.sources.uploads.drafting.toml_text import quoted


def duration_lines(state: DraftState) -> list[str]:
    """Lines that name the unit of durations."""
    roles = [role for role in LENGTHS if role in state.choices]
    main = [role for role in roles if role != "ringing_seconds"]
    if not main:
        if state.events is None and not {"started_at", "ended_at"} <= state.choices.keys():
            state.result.unknown.append("how long calls are: no column of durations was found")
        return []
    units = {role: _unit_of_role(state, role) for role in roles}
    first = units[main[0]]
    lines = [] if first == "seconds" else [f"duration_unit = {quoted(first)}"]
    others = {role: unit for role, unit in units.items() if unit != first}
    if others:
        lines.append(
            "duration_units = { " + ", ".join(f"{role} = {quoted(unit)}" for role, unit in others.items()) + " }"
        )
    return lines


def _unit_of_role(state: DraftState, role: str) -> str:  # noqa: PLR0911 - one result for each kind of evidence
    column = state.choices[role].columns[0]
    values = state.contents[column].distinct
    stated = state.words[column].unit
    name = f"{column} ({role})" if role != "duration_seconds" else column
    if not values:
        return "seconds"
    if all(":" in value and "'" not in value for value in values):
        return clock_unit(state, role, name, values, stated)
    if not all(_is_decimal(value) for value in values):
        state.result.decided.append(f"durations in {name} state their units, such as {values[0]}")
        return "text"
    if stated in ("seconds", "minutes", "milliseconds"):
        state.result.decided.append(f"durations in {name} are {stated}, by its name")
        return stated
    compared = compared_unit(state, role, column)
    if compared:
        state.result.decided.append(f"durations in {name} are {compared}, by the times of the same rows")
        return compared
    if all(value.isdecimal() for value in values):
        state.result.decided.append("durations are whole numbers, read as seconds")
        return "seconds"
    answer = state.ask(
        "duration",
        "the unit of durations: they have decimals; seconds, milliseconds or minutes",
        ("seconds", "minutes", "milliseconds"),
        "seconds",
    )
    return "FILL IN: seconds, milliseconds or minutes" if answer is None else unit_of(answer)


def _is_decimal(value: str) -> bool:
    return value.replace(".", "", 1).replace(",", "", 1).isdecimal()
