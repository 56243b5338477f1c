"""Files that hold no calls, and rows that are none."""

import re
from typing import Final

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.drafting.columns.column_words import KIND
from cdr_pipeline.sources.uploads.drafting.columns.known_words import INBOUND, NOT_CALLS, OUTBOUND
from cdr_pipeline.sources.uploads.drafting.columns.roles import NUMBERS
from cdr_pipeline.sources.uploads.drafting.state import DraftState
from cdr_pipeline.sources.uploads.drafting.toml_text import quoted, toml_key

_QUALITY: Final = frozenset({"jitter", "packets", "latency", "mos", "mlqk"})


def refuse_others(state: DraftState) -> None:
    """Refuses files that hold no calls."""
    sheet, choices = state.sheet, state.choices
    tokens = {token for words in state.words.values() for token in words.tokens}
    has_sides = any(role in choices for role in NUMBERS)
    if len(_QUALITY & tokens) > 1 and not {"started_at", "duration_seconds"} <= choices.keys():
        raise UnreadableUpload(
            f"{state.path.name} holds records of call quality (CMR), not calls", hint="import the file of the calls"
        )
    kinds = state.column(KIND)
    if (
        kinds
        and state.contents[kinds].filled
        and all(NOT_CALLS.fullmatch(word) for word in state.contents[kinds].distinct)
    ):
        raise UnreadableUpload(
            f"{state.path.name} holds no calls: its rows are {', '.join(state.contents[kinds].distinct[:3])}",
            hint="import the file of the calls",
        )
    form = sheet.layout.get("format")
    if form in ("json", "xml") and not has_sides and not {"started_at", "call_id"} <= choices.keys():
        raise UnreadableUpload(
            f"{state.path.name} is {form.upper()}, but holds no calls: no key is a number and a time",
            hint="check that it is not an error message",
        )


def not_call_lines(state: DraftState) -> list[str]:
    """``[not_calls]``, if a column of kinds has words of other records."""
    name = state.column(KIND)
    if name is None:
        return []
    words = state.contents[name].words
    others = [word for word in words if NOT_CALLS.fullmatch(word)]
    if "call_direction" not in state.choices and words and all(word.lower() in INBOUND | OUTBOUND for word in words):
        state.choices["call_direction"] = state.choices.pop(KIND)
        return []
    if not others:
        return []
    state.result.decided.append(
        "rows that are no calls are skipped: " + ", ".join(f"{word} ({words[word]})" for word in others)
    )
    pattern = "(?i)^(?:" + "|".join(map(re.escape, others)) + ")$"
    return ["", "[not_calls]", f"{toml_key(name)} = {quoted(pattern)}"]
