"""Lists that commands print, on the screen: as a table, or as blocks.

A table is printed where it fits the width. Otherwise accounts are shown with the beginning of their id, or as lines
above their rows; if that does not help, each row takes several lines. Nothing is cut, and no border gets in the
way of copying.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from cdr_pipeline.cli.listings import ACCOUNT, Cell, Listing

if TYPE_CHECKING:
    from rich.text import Text

_GAP: Final = 2
# Characters of a long id in a narrow table; '--account' accepts the beginning of an id.
SHORT_ID: Final = 8
# Least width of a column of sentences in a table.
_SENTENCE: Final = 24
# So many accounts may each have a line above their rows, even if they have one row each.
_FEW: Final = 3


def rendered(shown: Listing, rows: Sequence[Sequence[object]], names: Mapping[str, str], width: int) -> "Text":
    """The rows as a table or, where that does not fit the width, as blocks."""
    from rich.text import Text

    if not rows:
        return Text(f"{shown.title}: none")
    used = [
        number
        for number, column in enumerate(shown.columns)
        if column in shown.numbers or any(_text(row[number]) for row in rows)
    ]
    if not shown.blocks:
        for short in (False, True):
            texts = [
                [_shown(shown.columns[number], row[number], names, short=short) for number in used] for row in rows
            ]
            widths = _widths(shown, used, texts, width)
            if widths is not None:
                return _table(_Table(shown, used, texts, widths), rows)
        grouped = _grouped(shown, used, rows, names, width)
        if grouped is not None:
            return grouped
        return _flowing(shown, used, rows, names, width)
    return _blocks(shown, used, rows, names)


def account_title(account_id: str, names: Mapping[str, str], *, short: bool = False) -> str:
    """An account by its name and id."""
    name = names.get(account_id, "")
    if not name or name == account_id:
        return account_id
    return f"{name} ({account_id[:SHORT_ID] if short else account_id})"


def _shown(column: str, cell: object, names: Mapping[str, str], *, short: bool) -> str:
    text = _text(cell)
    return account_title(text, names, short=short) if column == ACCOUNT and not isinstance(cell, Cell) else text


def _text(cell: object) -> str:  # noqa: PLR0911 - one line a type
    if isinstance(cell, Cell):
        return _text(cell.value) if cell.text is None else cell.text
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, Decimal):
        return f"{cell.normalize():f}"
    if isinstance(cell, datetime):
        return f"{cell.astimezone(UTC) if cell.tzinfo else cell:%Y-%m-%d %H:%M}"
    if isinstance(cell, timedelta):
        return str(cell).partition(".")[0]
    if isinstance(cell, (list, tuple)):
        return ", ".join(map(_text, cell))  # type: ignore[arg-type]
    return str(cell)


def _widths(shown: Listing, used: Sequence[int], texts: list[list[str]], width: int) -> list[int] | None:
    """Widths of the columns in a table; None if it does not fit."""
    from rich.cells import cell_len

    widths = [
        max(cell_len(shown.header(shown.columns[number])), *(cell_len(row[place]) for row in texts))
        for place, number in enumerate(used)
    ]
    sentences = [place for place, number in enumerate(used) if shown.columns[number] in shown.sentences]
    left = width - _GAP * (len(used) - 1) - sum(widths)
    # The widest sentences are broken first.
    for place in sorted(sentences, key=lambda place: -widths[place]):
        if left < 0:
            narrower = max(_SENTENCE, widths[place] + left)
            left += max(0, widths[place] - narrower)
            widths[place] = min(widths[place], narrower)
    return widths if left >= 0 else None


def _grouped(
    shown: Listing, used: Sequence[int], rows: Sequence[Sequence[object]], names: Mapping[str, str], width: int
) -> "Text | None":
    """A table in which each account is a line above its rows; None if that does not fit or does not help."""
    if ACCOUNT not in shown.columns:
        return None
    account = shown.columns.index(ACCOUNT)
    others = [number for number in used if number != account]
    heads = [_shown(ACCOUNT, row[account], names, short=False) for row in rows]
    groups = sum(number == 0 or head != heads[number - 1] for number, head in enumerate(heads))
    texts = [[_text(row[number]) for number in others] for row in rows]
    widths = _widths(shown, others, texts, width)
    if widths is None or 2 * groups > max(len(rows), 2 * _FEW):
        return None
    return _table(_Table(shown, others, texts, widths), rows, heads)


@dataclass(frozen=True, slots=True)
class _Table:
    """What a table shows: places of its columns in a row, their texts by row, and their widths."""

    shown: Listing
    used: Sequence[int]
    texts: list[list[str]]
    widths: list[int]


def _table(table: _Table, rows: Sequence[Sequence[object]], heads: Sequence[str] = ()) -> "Text":
    from rich.text import Text

    shown, used, texts, widths = table.shown, table.used, table.texts, table.widths
    columns = [shown.columns[number] for number in used]
    made = Text()
    made.append(f"{shown.title}\n", "bold")
    right = [column in shown.numbers for column in columns]
    header = [
        _padded(shown.header(column), size, right=flag)
        for column, size, flag in zip(columns, widths, right, strict=True)
    ]
    made.append((" " * _GAP).join(header).rstrip() + "\n", "bold")
    made.append("─" * (sum(widths) + _GAP * (len(widths) - 1)) + "\n", "dim")
    for count, (row, line) in enumerate(zip(rows, texts, strict=True)):
        if heads and (count == 0 or heads[count] != heads[count - 1]):
            made.append(f"{heads[count]}\n", "bold")
        cells = [wrap(text, size) or [""] for text, size in zip(line, widths, strict=True)]
        for number in range(max(map(len, cells))):
            parts = [cell[number] if number < len(cell) else "" for cell in cells]
            for place, part in enumerate(parts):
                last = place == len(parts) - 1 or not any(parts[place + 1 :])
                padded = _padded(part, widths[place], right=right[place])
                made.append(padded.rstrip() if last else padded, _style(row[used[place]]))
                if last:
                    break
                made.append(" " * _GAP)
            made.append("\n")
    made.rstrip()
    return made


def _padded(text: str, width: int, *, right: bool) -> str:
    from rich.cells import cell_len

    gap = " " * (width - cell_len(text))
    return gap + text if right else text + gap


def _flowing(
    shown: Listing, used: Sequence[int], rows: Sequence[Sequence[object]], names: Mapping[str, str], width: int
) -> "Text":
    """Each row as a few lines: its first value, then header and value of the others."""
    from rich.cells import cell_len
    from rich.text import Text

    made = Text()
    made.append(f"{shown.title}\n", "bold")
    for row in rows:
        position = 0
        for place, number in enumerate(used):
            column = shown.columns[number]
            value = _shown(column, row[number], names, short=False)
            header = "" if place == 0 or column == ACCOUNT else f"{shown.header(column)} ".lstrip()
            if not value:
                continue
            needed = cell_len(header) + cell_len(value)
            if position and position + _GAP + needed > width:
                made.append("\n" + " " * _GAP)
                position = _GAP
            elif position:
                made.append(" " * _GAP)
                position += _GAP
            made.append(header, "dim")
            style = _style(row[number]) or ("bold" if place == 0 else "")
            if needed > width - _GAP and column in shown.sentences:
                first, *others = wrap(header + value, width - _GAP)
                made.append(first[len(header) :], style)
                for line in others:
                    made.append("\n" + " " * _GAP + line, style)
                position = width
                continue
            made.append(value, style)
            position += needed
        made.append("\n")
    made.rstrip()
    return made


def _blocks(shown: Listing, used: Sequence[int], rows: Sequence[Sequence[object]], names: Mapping[str, str]) -> "Text":
    from rich.text import Text

    widest = max(len(shown.header(shown.columns[number])) for number in used)
    made = Text()
    made.append(f"{shown.title}\n", "bold")
    for count, row in enumerate(rows):
        if count:
            made.append("\n")
        for number in used:
            column = shown.columns[number]
            value = _shown(column, row[number], names, short=False)
            if value:
                made.append(f"  {shown.header(column):<{widest}}  ", "dim")
                made.append(f"{value}\n", _style(row[number]))
    made.rstrip()
    return made


def _style(cell: object) -> str:
    return cell.style if isinstance(cell, Cell) else ""
