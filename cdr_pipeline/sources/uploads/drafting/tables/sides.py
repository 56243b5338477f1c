"""Caller and callee, where a mark or the direction tells them apart."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.drafting.columns.column_words import KIND, meanings_of
from cdr_pipeline.sources.uploads.drafting.columns.known_words import INBOUND
from cdr_pipeline.sources.uploads.drafting.columns.roles import Choice
from cdr_pipeline.sources.uploads.drafting.state import DraftState
from cdr_pipeline.sources.uploads.drafting.toml_text import quoted, toml_key

_INBOUND_MARK: Final = re.compile(r"^(?:<I>|<IN>|\[I\]|\(I\))")
_MOST_KINDS: Final = 8
# Words of a column of own numbers, in calls of both directions.
_OWN: Final = frozenset(
    [
        "own", "eigene", "extension", "ext", "station", "nebenstelle", "agent", "internal", "interne", "interno",
        "anexo", "ramal", "toestel",
    ]
)  # fmt: skip
_SIDES: Final = ("caller_id_number", "callee_id_number")


def settle_sides(state: DraftState) -> None:
    """Settles numbers: callers marked <I> among the dialled numbers, and a lone dialled number as the callee."""
    if "callee_id_number" not in state.choices and "dialed_number" in state.choices:
        state.choices["callee_id_number"] = state.choices.pop("dialed_number")
    if (
        "ringing_seconds" in state.choices
        and "billing_seconds" not in state.choices
        and "duration_seconds" in state.choices
    ):
        choice = state.choices.pop("duration_seconds")
        state.choices["billing_seconds"] = Choice(
            choice.columns, "likely", "without the ringing, which has its own column"
        )
    own, number = map(state.column, _SIDES)
    if number is None or own is None or any(side in state.answers for side in _SIDES):
        return
    if _swap_by_direction(state, own, number):
        return
    marks = {mark for value in state.contents[number].filled for mark in _INBOUND_MARK.findall(value)}
    if len(marks) != 1 or len(marks) == len(state.contents[number].filled):
        return
    mark = next(iter(marks))
    pattern = f"^{re.escape(mark)}"
    _swap_where(state, {number: pattern}, own, number, inbound=f"match = {quoted(f'{pattern}(.*)$')}")
    state.made["call_direction"] = "marked_direction"
    state.derived.append(
        f"[derive.marked_direction]\nsource = {quoted(number)}\nmatch = {quoted(f'^({re.escape(mark)})')}\n"
        'default = "outbound"'
    )
    state.marked = [mark]
    state.result.decided.append(f"{mark} before a number marks inbound calls: caller and callee are swapped there")


def _swap_where(
    state: DraftState, inbound_rows: Mapping[str, str], own: str, number: str, *, inbound: str = ""
) -> None:
    """Makes the outside number the caller of inbound calls, and the callee of all others."""
    rows = "{ " + ", ".join(f"{toml_key(name)} = {quoted(text)}" for name, text in inbound_rows.items()) + " }"
    state.made |= {
        "caller_id_number": ["inbound_caller", "outbound_caller"],
        "callee_id_number": ["outbound_callee", "inbound_callee"],
    }
    state.derived += [
        f"[derive.inbound_caller]\nsource = {quoted(number)}\n{inbound or f'when = {rows}'}",
        f"[derive.outbound_caller]\nsource = {quoted(own)}\nunless = {rows}",
        f"[derive.outbound_callee]\nsource = {quoted(number)}\nunless = {rows}",
        f"[derive.inbound_callee]\nsource = {quoted(own)}\nwhen = {rows}",
    ]


def _swap_by_direction(state: DraftState, own: str, number: str) -> bool:
    """Whether one column is the own side of every call; then the direction tells caller from callee."""
    if not _OWN & set(state.words[own].tokens) or "place" not in state.choices["callee_id_number"].because:
        return False
    name = state.column("call_direction")
    words = [word for word in state.contents[name].distinct if word.lower() in INBOUND] if name else []
    kind = state.column(KIND)
    if name is None and kind is None:
        candidates = (column for column in state.sheet.names if KIND in meanings_of(state.words[column].tokens))
        kind = next((column for column in candidates if _has_few_codes(state, column)), None)
    if name is None and kind:
        counted = Counter(state.contents[kind].filled)
        listed = ", ".join(f"{word} ({count})" for word, count in counted.most_common(_MOST_KINDS))
        answer = state.ask(
            "inbound",
            f"which values of {kind} mark inbound calls, whose caller is {number}: {listed}",
            (next(iter(counted)), "none"),
            "none",
        )
        if answer is None:
            state.made["call_direction"] = f"FILL IN: answer which values of {kind} mark inbound calls"
        words = [] if answer in (None, "none") else [word.strip() for word in str(answer).split(",")]
        unknown = [word for word in words if word not in counted]
        if unknown:
            raise UnreadableUpload(
                f"answer inbound: {kind} has no value {', '.join(unknown)}",
                hint=f"choose from: none, {', '.join(counted)}",
            )
        name = kind
        if words:
            state.made["call_direction"] = "stated_direction"
            state.marked = words
            state.derived.append(
                f"[derive.stated_direction]\nsource = {quoted(name)}\n"
                f'match = {quoted("^(" + "|".join(map(re.escape, words)) + ")$")}\ndefault = "outbound"'
            )
    if not words or name is None:
        return False
    _swap_where(state, {name: f"(?i)^(?:{'|'.join(map(re.escape, words))})$"}, own, number)
    state.result.decided.append(
        f"{own} is the own side of every call: in rows with {name} {' or '.join(words)}, {number} is the caller"
    )
    return True


def _has_few_codes(state: DraftState, column: str) -> bool:
    return bool(state.contents[column].filled) and len(state.contents[column].distinct) <= _MOST_KINDS
