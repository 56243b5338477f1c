"""Notation, formats and zone of times."""

from collections.abc import Sequence
from typing import Final

from cdr_pipeline.core.time.local_time import zone_names
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.drafting.columns.column_words import ZONE
from cdr_pipeline.sources.uploads.drafting.columns.contents import Contents
from cdr_pipeline.sources.uploads.drafting.columns.roles import TIMES
from cdr_pipeline.sources.uploads.drafting.columns.time_formats import (
    has_seconds,
    proven_order,
)
from cdr_pipeline.sources.uploads.drafting.columns.zone_evidence import zone_evidence
from cdr_pipeline.sources.uploads.drafting.state import DraftState
from cdr_pipeline.sources.uploads.drafting.toml_text import quoted, toml_value

UNKNOWN_ZONE: Final = "FILL IN, such as Europe/Berlin"
UNKNOWN_FORMAT: Final = "FILL IN: %d/%m/%Y %H:%M:%S or %m/%d/%Y %H:%M:%S"


def time_lines(state: DraftState) -> list[str]:
    """Lines of ``[time]``: notation or formats, zone, precision."""
    lines, formats = _notation_lines(state)
    if formats is None:
        return lines
    zone_column = state.column(ZONE)
    if zone_column:
        lines.append(f"zone_column = {quoted(zone_column)}")
        state.result.decided.append(f"the zone of the times is in {zone_column}")
    if zone_column:
        return lines
    lines.append(f"zone = {quoted(_zone(state, formats) or UNKNOWN_ZONE)}")
    if formats and not all(has_seconds(layout) for layout in formats):
        lines.append('precision = "minute"')
        state.result.decided.append("times are precise to the minute")
    return lines


def _zone(state: DraftState, formats: Sequence[str]) -> str | None:
    """Zone that is answered; None if the question is open. An answer that the file contradicts is named."""
    others = {name: values for name, values in state.sheet.columns.items() if name not in state.start_columns()}
    evidence = zone_evidence(formats[0], state.start_texts(), others) if formats else None
    fitting = evidence.zones if evidence else ()
    text = "the zone of the times: the file does not state it" + (f"; {evidence.text}" if evidence else "")
    choices = (*(fitting[:4] or ("Europe/Berlin", "America/New_York", "UTC")), "account")
    answer = state.ask("zone", text, choices, fitting[0] if fitting else "UTC")
    if evidence and answer in zone_names() and not evidence.fits(str(answer)):
        usual = f", as in {' or '.join(fitting[:3])}" if fitting else ""
        state.result.unknown.append(f"why the times are not those of {answer}: {evidence.text}{usual}")
    return answer


def _notation_lines(state: DraftState) -> tuple[list[str], list[str] | None]:  # noqa: C901 - one case for each notation
    """Lines of ``[time]``, and the formats of local times; None if the times need no zone."""
    columns = [name for role in TIMES if role in state.choices for name in state.choices[role].columns[:1]]
    kinds = {name: _kind_of(state.contents[name]) for name in columns if state.contents[name].filled}
    start = state.start_columns()
    if "started_at" not in state.choices and len(start) == 2:  # noqa: PLR2004 - date and time of day
        layouts = [
            f"{day} {clock}" for day in state.contents[start[0]].dates for clock in state.contents[start[1]].clocks
        ]
        kinds[" ".join(start)] = "local"
    elif start:
        layouts = list(state.contents[start[0]].date_times or state.contents[start[0]].dates)
    else:
        return [], []
    found = set(kinds.values())
    zeros = any(
        "0" in state.contents[name].values for name in columns if kinds.get(name, "").startswith(("epoch", "greg"))
    )
    zero = ["zero_is_no_time = true"] if zeros else []
    if zeros:
        state.result.decided.append("a time of 0 means no time")
    if len(found) == 1 and next(iter(found)) in ("epoch_seconds", "epoch_milliseconds", "gregorian_seconds"):
        (notation,) = found
        state.result.decided.append(f"times are {notation.replace('_', ' ')}, which have no zone")
        return [f"notation = {quoted(notation)}", *zero], None
    if found == {"iso8601"}:
        state.result.decided.append("times are ISO 8601 with an offset")
        return ['notation = "iso8601"'], None
    if found == {"rfc2822"}:
        state.result.decided.append("times are RFC 2822 with an offset")
        return ['notation = "rfc2822"'], None
    formats, unknown = _formats_of(state, layouts)
    # Formats that only answer and end times have.
    for name in columns[1:]:
        for layout in state.contents[name].date_times:
            if formats and not set(state.contents[name].date_times) & set(formats):
                formats.append(layout)
            break
    mixed = ['notation = "any"'] if found - {"local"} else []
    if found <= {"iso8601", "epoch_seconds"} and found:
        return [*mixed, *zero], None
    lines = [*mixed, f"formats = {toml_value(formats or [unknown])}", *zero]
    return lines, formats


def _formats_of(state: DraftState, layouts: Sequence[str]) -> tuple[list[str], str]:
    texts = state.start_texts()
    if not layouts:
        answer = state.ask("time_format", "how the times are written", ("%d/%m/%Y %H:%M:%S",), "%d/%m/%Y %H:%M:%S")
        return ([answer], "") if answer else ([], UNKNOWN_FORMAT)
    others = {name: values for name, values in state.sheet.columns.items() if name not in state.start_columns()}
    order = proven_order(layouts, texts, others)
    if len(order.formats) == 1:
        state.result.decided.append(
            f"times are written {order.formats[0]}" + (f": {order.proof}" if order.proof else "")
        )
        return [order.formats[0]], ""
    answer = state.ask(
        "date_order",
        "whether the day or the month comes first: every date of the sample fits both, such as "
        f"{next((text for text in texts if text), '')}",
        ("day", "month"),
        "day",
    )
    if answer is None:
        return [], "FILL IN: " + " or ".join(order.formats[:3])
    chosen = [layout for layout in order.formats if answer in (layout, _first_part(layout))]
    if not chosen:
        raise UnreadableUpload(
            f"answer date_order: {answer!r} fits no format",
            hint=f"choose from: day, month, {', '.join(order.formats)}",
        )
    return [chosen[0]], ""


def _kind_of(contents: Contents) -> str:
    return contents.epoch or ("iso8601" if contents.iso else "rfc2822" if contents.rfc else "local")


def _first_part(layout: str) -> str:
    if "%d" not in layout or "%m" not in layout:
        return ""
    return "day" if layout.index("%d") < layout.index("%m") else "month"
