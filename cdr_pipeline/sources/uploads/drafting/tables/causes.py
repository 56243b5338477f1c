"""Notation of the causes of hang-up."""

from cdr_pipeline.core.normalize.causes import CauseCodes, cause_names
from cdr_pipeline.sources.uploads.drafting.state import DraftState
from cdr_pipeline.sources.uploads.drafting.toml_text import quoted, toml_key


def cause_lines(state: DraftState) -> list[str]:
    """Notation of numeric causes, and the one that counts of two: each side has 0 if the other one hung up."""
    if state.events:
        return [f"cause_codes = {quoted(state.events.codes)}"] if state.events.codes else []
    name = state.column("hangup_cause")
    if name is None or "hangup_cause" in state.answers:
        return []
    columns = [
        other
        for other in (name, *state.choices["hangup_cause"].others)
        if state.contents[other].filled and all(value.isdecimal() for value in state.contents[other].distinct)
    ]
    codes = {value for column in columns for value in state.contents[column].distinct} - {"0"}
    if name not in columns or not codes:
        return []
    both = zip(*(state.contents[column].values for column in columns[:2]), strict=True)
    sides = columns[:2] if all(sum(value not in ("", "0") for value in row) < 2 for row in both) else [name]  # noqa: PLR2004 - both sides
    if len(sides) > 1 or "0" in state.contents[name].distinct:
        made = [f"{column}_code" for column in sides]
        state.made["hangup_cause"] = made if len(made) > 1 else made[0]
        state.derived += [
            f'[derive.{toml_key(new)}]\nsource = {quoted(column)}\nnothing = ["0"]'
            for new, column in zip(made, sides, strict=True)
        ]
        state.result.decided.append(f"the cause is in {' or '.join(sides)}; 0 means no cause")
    notations: tuple[CauseCodes, ...] = ("q850", "sip")
    notation = max(notations, key=lambda kind: len(codes & cause_names(kind).keys()))
    others = sorted(codes - cause_names(notation).keys())
    if others:
        state.result.unknown.append(f"what these causes in {' and '.join(sides)} mean: {', '.join(others[:5])}")
    if len(others) == len(codes):
        return []
    state.result.decided.append(f"causes are codes of {'Q.850' if notation == 'q850' else 'SIP'}")
    return [f"cause_codes = {quoted(notation)}"]
