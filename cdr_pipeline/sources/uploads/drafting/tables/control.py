"""Totals in the last line that are those of the rows."""

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from cdr_pipeline.sources.uploads.drafting.state import DraftState
from cdr_pipeline.sources.uploads.drafting.toml_text import quoted


def control_lines(state: DraftState) -> list[str]:
    """``[control]`` if the last line states totals that are those of the rows."""
    if len(state.sheet.footers) != 1 or state.sheet.layout.get("format") == "fixed":
        return []
    (footer,) = state.sheet.footers
    if len(footer) != len(state.sheet.names):
        return []
    groups: dict[str, str] = {}
    for role, name in (("duration_seconds", "seconds"), ("billing_seconds", "seconds"), ("cost", "cost")):
        column = state.column(role)
        text = footer[state.sheet.names.index(column)].strip() if column else ""
        if column and text and _sum_of(state.sheet.columns[column]) == _amount_of(text):
            groups[column] = name
    if not groups:
        return []
    mark = re.escape(state.sheet.layout["delimiter"])
    word = re.escape(footer[0].strip())
    cells = [
        (rf'"?(?P<{groups[name]}>[^"{mark}]+(?:[.,][0-9]+)?)"?' if name in groups else rf'(?:"[^"]*"|[^{mark}]*)')
        if index
        else rf'"?{word}"?'
        for index, name in enumerate(state.sheet.names)
    ]
    cells = [cell.replace(rf'[^"{mark}]+(?:[.,][0-9]+)?', "[0-9][0-9.,]*") for cell in cells]
    state.result.decided.append(f"the last line states totals of {', '.join(groups)}, which are those of the rows")
    return ["", "[control]", f"line = {quoted('^' + mark.join(cells) + '$')}"]


def _amount_of(text: str) -> Decimal | None:
    digits = re.sub(r"[^0-9.,\-]", "", text)
    if "," in digits and (digits.rfind(",") > digits.rfind(".")):
        digits = digits.replace(".", "").replace(",", ".")
    try:
        return Decimal(digits.replace(",", ""))
    except InvalidOperation:
        return None


def _sum_of(values: Sequence[str]) -> Decimal | None:
    numbers = [_amount_of(value) for value in values if value]
    return (
        None
        if not numbers or None in numbers
        else sum((number for number in numbers if number is not None), Decimal(0))
    )
