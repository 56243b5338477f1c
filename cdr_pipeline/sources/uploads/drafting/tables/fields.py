"""Columns of each field."""

from cdr_pipeline.sources.uploads.drafting.draft import Question
from cdr_pipeline.sources.uploads.drafting.state import FIELDS, DraftState
from cdr_pipeline.sources.uploads.drafting.tables.start import is_guessed_start
from cdr_pipeline.sources.uploads.drafting.toml_text import toml_value


def field_lines(state: DraftState) -> list[str]:  # noqa: C901 - one line for each field, then what is left
    """``[fields]``, with the confidence and the alternatives of each field as a comment."""
    lines: list[str] = []
    fields: dict[str, str | list[str]] = {}
    for role in FIELDS:
        choice = state.choices.get(role)
        if choice is not None:
            fields[role] = choice.columns[0] if len(choice.columns) == 1 else choice.columns
    if "started_at" not in fields and len(state.start_columns()) > 1:
        fields["started_at"] = "call_start"
    if "started_at" not in fields and state.start_columns():
        fields["started_at"] = state.start_columns()[0]
    if state.events:
        fields |= state.events.fields
    fields |= state.made
    for role in (*FIELDS, *(role for role in fields if role not in FIELDS)):
        if role not in fields:
            continue
        choice = None if role in state.made else state.choices.get(role)
        note = ""
        if choice is not None:
            note = f"  # {choice.confidence}: {choice.because}"
            note += f"; or {', '.join(choice.others[:3])}" if choice.others else ""
        if role == "started_at" and choice is not None and is_guessed_start(state, choice):
            lines.append(f'started_at = "FILL IN: {" or ".join([*choice.columns, *choice.others])}"')
            continue
        lines.append(f"{role} = {toml_value(fields[role])}{note}")
    if "started_at" not in fields:
        state.result.questions.append(
            Question("started_at", "which column is the start of a call", tuple(state.sheet.names[:5]), "")
        )
        lines.append('started_at = "FILL IN"')
    used = {column for choice in state.choices.values() for column in choice.columns} | {state.record_id}
    rest = [name for name in state.sheet.names if name not in used]
    if rest:
        lines.append(f"# not used, kept with the record: {', '.join(rest)}")
        state.result.unknown.append(f"what these columns mean: {', '.join(rest)}")
    return lines
