"""JSON that PostgreSQL cannot store as jsonb: too long, invalid Unicode, numbers too large, nesting too deep.

List rows and detail documents reach the warehouse as the text that the source wrote. PostgreSQL would reject a whole
window because of one such row, so these rows are rejected before the load.
"""

import json
import re
from typing import Any, Final, cast

import polars as pl

from cdr_pipeline.core.fields.dictionary import LONGEST_EXTRA
from cdr_pipeline.core.fields.schemas import EXTRA
from cdr_pipeline.core.records.reasons import Reject
from cdr_pipeline.core.records.rejection import RowFault, too_many_bytes

_DETAIL: Final = "detail_source"
# Field of the rejects: the column of the warehouse that would hold the text.
_FIELD: Final = "extra"
# An escaped NUL or surrogate, or a number with a large exponent. Texts that match are parsed. A number follows a
# bracket, a colon, a comma or a blank. Many ids look like one, but follow a quote.
_SUSPICIOUS: Final = r"\\u(?:0000|[dD][89a-fA-F])|(?:^|[\[:,\s])-?[0-9.]+[eE][+-]?[0-9]{4}"
_DEEPEST: Final = 200
_LARGEST_EXPONENT: Final = 4_999
_MOST_DIGITS: Final = 5_000
# Longer texts may contain a number with more digits than PostgreSQL can store. They are parsed as well.
_LONG: Final = 100_000
_EXPONENT: Final = re.compile(r"[eE]([+-]?[0-9]+)$")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def json_faults(rows: pl.DataFrame) -> list[RowFault]:
    """Conditions for rows whose JSON texts cannot be stored; empty when all texts can be stored, after one scan.

    Args:
        rows: working schema, with or without ``detail_source``.
    """
    faults: list[RowFault] = []
    for column in (EXTRA, _DETAIL):
        if column not in rows.columns or rows[column].null_count() == rows.height:
            continue
        text = pl.col(column)
        longest = rows.select(text.str.len_bytes().max()).item()
        if longest > LONGEST_EXTRA:
            detail = too_many_bytes(text, LONGEST_EXTRA)
            faults.append(RowFault(_FIELD, Reject.TOO_LONG, text.str.len_bytes() > LONGEST_EXTRA, detail))
        reasons = _reasons(rows[column])
        for reason in sorted(set(reasons.values())):
            values = [value for value, value_reason in reasons.items() if value_reason is reason]
            faults.append(RowFault(_FIELD, reason, text.is_in(values)))
    return faults


def _reasons(texts: pl.Series) -> dict[str, Reject]:
    """Texts that cannot be stored, with the reason. Only the few suspicious texts are parsed."""
    lengths = texts.str.len_bytes()
    suspicious = texts.filter((texts.str.contains(_SUSPICIOUS) | (lengths > _LONG)).fill_null(value=False))
    # A text that nests deeper than the limit is longer than the limit; most texts are short.
    nesting = texts.filter((lengths > _DEEPEST).fill_null(value=False))
    openings = nesting.str.count_matches("[", literal=True) + nesting.str.count_matches("{", literal=True)
    suspicious = pl.concat([suspicious, nesting.filter(openings > _DEEPEST)])
    reasons = {text: _fault_of(text) for text in suspicious.unique() if len(text) <= LONGEST_EXTRA}
    return {text: reason for text, reason in reasons.items() if reason is not None}


def _fault_of(text: str) -> Reject | None:
    try:
        parsed = json.loads(text, parse_float=_bounded, parse_int=_bounded)
    except (RecursionError, OverflowError):
        return Reject.NOT_STORABLE
    except ValueError:
        return Reject.INVALID_JSON
    return _fault_within(parsed)


def _bounded(number: str) -> str:
    exponent = _EXPONENT.search(number)
    if len(number) > _MOST_DIGITS or (exponent is not None and abs(int(exponent[1])) > _LARGEST_EXPONENT):
        raise OverflowError
    return number


def _fault_within(parsed: Any) -> Reject | None:  # noqa: ANN401 - any JSON
    """Why parsed JSON cannot be stored: a key, a text or the nesting depth; None when it can be stored."""
    pending: list[tuple[int, Any]] = [(0, parsed)]
    while pending:
        depth, value = pending.pop()
        texts: list[str] = []
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            texts = list(members)
            pending += [(depth + 1, child) for child in members.values()]
        elif isinstance(value, list):
            pending += [(depth + 1, child) for child in cast("list[Any]", value)]
        elif isinstance(value, str):
            texts = [value]
        if depth > _DEEPEST:
            return Reject.NOT_STORABLE
        if any("\x00" in text for text in texts):
            return Reject.NUL_CHARACTER
        if any(_SURROGATE.search(text) for text in texts):
            return Reject.INVALID_TEXT
    return None
