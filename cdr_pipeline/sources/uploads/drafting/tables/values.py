"""Words of directions and outcomes."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.sources.uploads.drafting.columns.known_words import INBOUND, OUTBOUND, OUTCOMES
from cdr_pipeline.sources.uploads.drafting.state import DraftState
from cdr_pipeline.sources.uploads.drafting.toml_text import quoted, toml_key

_MOST_WORDS: Final = 20


def value_lines(state: DraftState) -> list[str]:
    """``[values]`` for the words of directions and outcomes in the sample; unknown ones are comments."""
    lines: list[str] = []
    if state.marked:
        lines += ["", "[values.call_direction]", *(f'{toml_key(word)} = "inbound"' for word in state.marked)]
    elif "call_direction" in state.choices:
        known = {
            word: "inbound" if word.lower() in INBOUND else "outbound"
            for word in _counted(state, "call_direction")
            if word.lower() in INBOUND | OUTBOUND
        }
        lines += _lines_of_words(state, "call_direction", known, 'inbound, outbound, or "" for neither')
    if "disposition" in state.choices:
        words = _counted(state, "disposition")
        known = {word: OUTCOMES[word.lower()] for word in words if word.lower() in OUTCOMES}
        lines += _lines_of_words(state, "disposition", known, "ANSWERED, NO ANSWER, BUSY, FAILED, CANCELLED")
    return lines


def _counted(state: DraftState, role: str) -> Counter[str]:
    return Counter(state.values_of(role))


def _lines_of_words(state: DraftState, role: str, known: Mapping[str, str], choices: str) -> list[str]:
    counted = _counted(state, role)
    changed = {word: meaning for word, meaning in known.items() if word != meaning}
    unknown = [word for word in counted if word not in known][:_MOST_WORDS]
    if role == "disposition" and any(word.isdecimal() for word in unknown):
        unknown = []
    if not changed and not unknown:
        return []
    if unknown:
        listed = ", ".join(f"{word} ({counted[word]})" for word in unknown)
        state.result.unknown.append(f"what these words of {role} mean: {listed}")
    lines = ["", f"[values.{role}]", *(f"{toml_key(word)} = {quoted(meaning)}" for word, meaning in changed.items())]
    return [*lines, *(f'# {toml_key(word)} = ""  # {count_of(counted[word], "row")}; {choices}' for word in unknown)]
