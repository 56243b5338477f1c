"""Currency and marks of amounts."""

import re
from collections.abc import Sequence
from typing import Final

from cdr_pipeline.sources.uploads.drafting.columns.column_words import currency_of
from cdr_pipeline.sources.uploads.drafting.columns.roles import LENGTHS, MONEY
from cdr_pipeline.sources.uploads.drafting.state import DraftState
from cdr_pipeline.sources.uploads.drafting.toml_text import quoted, toml_value

_AMOUNT_SIGN: Final = re.compile(r"US\$|R\$|[$€£¥₹]|zł|[A-Z]{3}")
_GROUPS: Final = re.compile(r"[1-9][0-9]{0,2}([.,])[0-9]{3}")
_BY_PARTS: Final = re.compile(r"[^0-9.,]")


def money_lines(state: DraftState) -> list[str]:
    """Lines that name the currency, the decimal mark and the thousands mark."""
    values = [value for role in MONEY for value in state.values_of(role)]
    if not values:
        return _decimal_duration_marks(state)
    lines: list[str] = []
    signs = list(dict.fromkeys(sign for value in values for sign in _AMOUNT_SIGN.findall(value)))
    currencies = {currency_of(sign) for sign in signs} - {""}
    stated = {state.words[state.choices[role].columns[0]].currency for role in MONEY if role in state.choices} - {""}
    currency = state.answers.get("currency") or next(iter(currencies | stated), "")
    if len(currencies | stated) > 1:
        currency = state.answers.get("currency", "")
        state.result.decided.append(f"several currencies are named: {', '.join(sorted(currencies | stated))}")
    if currency:
        because = "a sign in the amounts" if currencies else "the name of its column" if stated else "the answer"
        state.result.decided.append(f"amounts are in {currency}, by {because}")
        lines.append(f"currency = {quoted(currency.upper())}")
    elif "cost_currency" not in state.choices:
        state.ask("currency", "which currency the money is in", ("EUR", "USD"), "EUR")
        lines.append('currency = "FILL IN, such as EUR"')
    if signs:
        lines.append(f"currency_marks = {toml_value(signs)}")
    return lines + _mark_lines(state, [_BY_PARTS.sub("", value) for value in values])


def _decimal_duration_marks(state: DraftState) -> list[str]:
    values = [value for role in LENGTHS for value in state.values_of(role) if "," in value]
    return ['decimal_mark = ","'] if values else []


def _mark_lines(state: DraftState, numbers: Sequence[str]) -> list[str]:
    """Decimal and thousands marks of amounts."""
    both = [number for number in numbers if "." in number and "," in number]
    if both:
        comma = all(number.rindex(",") > number.rindex(".") for number in both)
        if comma:
            state.result.decided.append("the decimal mark is a comma")
        return ['decimal_mark = ","'] if comma else ['thousands_mark = ","']
    for mark in (",", "."):
        marked = [number for number in numbers if mark in number]
        if not marked:
            continue
        if any(number.count(mark) > 1 for number in marked):
            return [f"thousands_mark = {quoted(mark)}"] + (['decimal_mark = ","'] if mark == "." else [])
        if all(_GROUPS.fullmatch(number) for number in marked) and len(marked) > 0:
            text = f"whether {marked[0]} is an amount with decimals or with thousands"
            answer = state.ask("decimal_mark", text, (".", ","), mark)
            if answer is None:
                return ['decimal_mark = "FILL IN: . or ,"']
            decimal = answer.strip()
            lines = ['decimal_mark = ","'] if decimal == "," else []
            return lines if decimal == mark else [*lines, f"thousands_mark = {quoted(mark)}"]
        if mark == ",":
            state.result.decided.append("the decimal mark is a comma")
            return ['decimal_mark = ","']
    return []
