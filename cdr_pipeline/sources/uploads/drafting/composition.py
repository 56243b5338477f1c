"""Writes the text of a draft with the answers so far."""

from cdr_pipeline.sources.uploads.drafting.draft import Draft
from cdr_pipeline.sources.uploads.drafting.events import events_of
from cdr_pipeline.sources.uploads.drafting.state import DraftState
from cdr_pipeline.sources.uploads.drafting.tables.causes import cause_lines
from cdr_pipeline.sources.uploads.drafting.tables.control import control_lines
from cdr_pipeline.sources.uploads.drafting.tables.durations import duration_lines
from cdr_pipeline.sources.uploads.drafting.tables.fields import field_lines
from cdr_pipeline.sources.uploads.drafting.tables.identity import identity_lines, separate_ids
from cdr_pipeline.sources.uploads.drafting.tables.money import money_lines
from cdr_pipeline.sources.uploads.drafting.tables.refusals import not_call_lines, refuse_others
from cdr_pipeline.sources.uploads.drafting.tables.sides import settle_sides
from cdr_pipeline.sources.uploads.drafting.tables.start import combine_lines, settle_clock
from cdr_pipeline.sources.uploads.drafting.tables.times import time_lines
from cdr_pipeline.sources.uploads.drafting.tables.values import value_lines
from cdr_pipeline.sources.uploads.drafting.toml_text import quoted, toml_key, toml_value


def compose(state: DraftState) -> Draft:
    """Writes the profile, and collects what is decided and what is asked.

    Raises:
        UnreadableUpload: the file holds no calls, or an answer is not possible.
    """
    refuse_others(state)
    settle_clock(state)
    state.events = events_of(state.sheet, state.contents, state.choices)
    if state.events:
        state.result.decided.append(state.events.decided)
    settle_sides(state)
    separate_ids(state)
    head = [f"description = {quoted(f'Files such as {state.path.name}')}"]
    head += identity_lines(state)
    head += duration_lines(state)
    head += money_lines(state)
    head += cause_lines(state)
    not_calls = not_call_lines(state)
    time = time_lines(state)
    combine = combine_lines(state)
    fields, values = field_lines(state), value_lines(state)
    control = control_lines(state)
    layout = dict(state.sheet.layout)
    widths = layout.pop("widths", None)
    lines = [*head, "", "[layout]", *(f"{key} = {toml_value(value)}" for key, value in layout.items())]
    if widths:
        lines += ["", "[layout.widths]", *(f"{toml_key(name)} = {toml_value(place)}" for name, place in widths.items())]
    if state.events:
        lines += ["", "[segments]", *state.events.segments]
    lines += ["", "[time]", *time, *combine, *not_calls]
    for derived in (*state.derived, *(state.events.derived if state.events else ())):
        lines += ["", derived]
    lines += ["", "[fields]", *fields, *values, *control]
    if carrier := state.answers.get("carrier"):
        lines += ["", "[constants]", f"carrier = {quoted(carrier)}"]
    state.result.text = "\n".join(lines) + "\n"
    state.result.decided = list(dict.fromkeys(state.result.decided))
    state.result.unknown[:0] = [question.text for question in state.result.questions]
    return state.result
