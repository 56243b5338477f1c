"""JSON that PostgreSQL cannot keep as jsonb: too long, no Unicode, numbers without bound, nested without end.

A list row and its detail document reach the warehouse as the text that the source wrote, so what its parser would
refuse has to be found before: one row must not keep its whole window out.
"""

import json
import re
from typing import Any, Final, cast

import polars as pl

from cdr_pipeline.core.fields.dictionary import LONGEST_EXTRA
from cdr_pipeline.core.fields.schemas import EXTRA
from cdr_pipeline.core.records.reasons import Reject
from cdr_pipeline.core.records.rejection import RowFault

_DETAIL: Final = "detail_source"
# What a reject names: the column of the warehouse that would hold the text.
_FIELD: Final = "extra"
# An escaped NUL or surrogate, or a number with a large exponent: what may be wrong, for a closer look.
_SUSPICIOUS: Final = r"\\u(?:0000|[dD][89a-fA-F])|[0-9][eE][+-]?[0-9]{4}"
_DEEPEST: Final = 200
_LARGEST_EXPONENT: Final = 4_999
_MOST_DIGITS: Final = 5_000
# A text that may hold a number of so many digits as PostgreSQL has no room for.
_LONG: Final = 100_000
_EXPONENT: Final = re.compile(r"[eE]([+-]?[0-9]+)$")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def json_faults(rows: pl.DataFrame) -> list[RowFault]:
    """Conditions under which the JSON texts of rows cannot be stored; empty when all can, which costs one scan.

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
            faults.append(RowFault(_FIELD, Reject.TOO_LONG, text.str.len_bytes() > LONGEST_EXTRA))
        looked_at = _looked_at(rows[column])
        for reason in sorted(set(looked_at.values())):
            found = [value for value, of in looked_at.items() if of is reason]
            faults.append(RowFault(_FIELD, reason, text.is_in(found)))
    return faults


def _looked_at(texts: pl.Series) -> dict[str, Reject]:
    """Texts that cannot be stored and why, found by parsing those few that may be such."""
    opened = texts.str.count_matches("[", literal=True) + texts.str.count_matches("{", literal=True)
    suspected = texts.str.contains(_SUSPICIOUS) | (opened > _DEEPEST) | (texts.str.len_bytes() > _LONG)
    suspicious = texts.filter(suspected.fill_null(value=False))
    found = {text: _fault_of(text) for text in suspicious.unique() if len(text) <= LONGEST_EXTRA}
    return {text: reason for text, reason in found.items() if reason is not None}


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
    """The first key or text that cannot be stored, or lists and objects that are nested too deep."""
    waiting: list[tuple[int, Any]] = [(0, parsed)]
    while waiting:
        depth, value = waiting.pop()
        texts: list[str] = []
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            texts = list(members)
            waiting += [(depth + 1, child) for child in members.values()]
        elif isinstance(value, list):
            waiting += [(depth + 1, child) for child in cast("list[Any]", value)]
        elif isinstance(value, str):
            texts = [value]
        if depth > _DEEPEST:
            return Reject.NOT_STORABLE
        if any("\x00" in text for text in texts):
            return Reject.NUL_CHARACTER
        if any(_SURROGATE.search(text) for text in texts):
            return Reject.INVALID_TEXT
    return None
