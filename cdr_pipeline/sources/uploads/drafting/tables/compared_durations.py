"""Units of durations, by the times of the same rows."""

from cdr_pipeline.sources.uploads.drafting.state import DraftState


def compared_clock(state: DraftState, role: str) -> str:
    """m:ss or h:mm, by start and end of the same rows; "" if they do not show it."""
    column = state.choices[role].columns[0]
    seconds = _elapsed(state, "answered_at" if role == "billing_seconds" else "started_at")
    for name, factor in (("m:ss", 1), ("h:mm", 60)):
        pairs = [
            ((int(value.split(":")[0]) * 60 + int(value.split(":")[1])) * factor, second)
            for value, second in zip(state.contents[column].values, seconds, strict=False)
            if value and second
        ]
        if pairs and all(abs(one - other) <= factor for one, other in pairs):
            return name
    return ""


def _elapsed(state: DraftState, first: str) -> list[float | None]:
    one, other = state.column(first), state.column("ended_at")
    if one is None or other is None:
        return []
    return [
        (end - start).total_seconds() if start and end else None
        for start, end in zip(state.contents[one].times(), state.contents[other].times(), strict=True)
    ]


def compared_unit(state: DraftState, role: str, column: str) -> str:
    """Unit of a plain number of time, by start and end of the same rows; "" if they do not show it."""
    seconds = _elapsed(state, "answered_at" if role == "billing_seconds" else "started_at")
    for unit, factor, slack in (("seconds", 1.0, 1.0), ("milliseconds", 0.001, 1.0), ("minutes", 60.0, 60.0)):
        pairs = [
            (float(value.replace(",", ".")) * factor, second)
            for value, second in zip(state.contents[column].values, seconds, strict=False)
            if value and second is not None
        ]
        if pairs and any(one for one, _ in pairs) and all(abs(one - other) <= slack for one, other in pairs):
            return unit
    return ""
