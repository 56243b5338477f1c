"""Columns that are separated by blanks: runs of them, or fixed positions."""

import re
from collections import Counter

from cdr_pipeline.core.uploads.profile_values import column_name
from cdr_pipeline.sources.uploads.drafting.sheet.limits import FEW, RULER
from cdr_pipeline.sources.uploads.drafting.sheet.rows import read_rows
from cdr_pipeline.sources.uploads.drafting.sheet.sheet import Sheet
from cdr_pipeline.sources.uploads.records import numbered_names


def read_squeezed(lines: list[str], sheet: Sheet) -> bool:
    """Reads text whose columns are separated by runs of blanks, if all lines have the same number of words."""
    rows = [line.split() for line in lines]
    counts = Counter(map(len, rows))
    width, times = counts.most_common(1)[0]
    if width < FEW or times < len(rows) - 1 or any(re.search(r"\S \S", line) and "  " in line for line in lines):
        return False
    sheet.layout |= {"delimiter": " ", "squeeze": True}
    sheet.decided.append("columns are separated by runs of blanks")
    read_rows(rows, rows, 0, sheet)
    return True


def read_fixed(lines: list[str], sheet: Sheet) -> bool:
    """Reads text of fixed width: columns are separated by positions that are blank in every record."""
    records = [
        line for line in lines if sum(character.isdigit() for character in line) > len(line.replace(" ", "")) // 3
    ]
    if len(records) < 2 or len(records) < len(lines) // 3:  # noqa: PLR2004 - one line has no columns
        return False
    length = max(map(len, records))
    used = [any(position < len(line) and line[position] != " " for line in records) for position in range(length)]
    starts = [position for position in range(length) if used[position] and (position == 0 or not used[position - 1])]
    if len(starts) < FEW:
        return False
    ends = [*starts[1:], length + 40]
    others = [line for line in lines if line not in records]
    heading = next((line for line in others if len(line.split()) >= FEW and not RULER.fullmatch(line)), "")
    titles = [""] * len(starts)
    for word in re.finditer(r"\S+", heading):
        overlaps = [min(word.end(), end) - max(word.start(), start) for start, end in zip(starts, ends, strict=True)]
        place = max(range(len(starts)), key=overlaps.__getitem__)
        titles[place] = f"{titles[place]} {word[0]}".strip()
    sheet.titles = titles
    sheet.has_header = any(titles)
    plain = [column_name(title) or f"column_{number}" for number, title in enumerate(titles, start=1)]
    sheet.names = numbered_names(plain)
    # The last column reaches to the end of the line.
    widths = {name: [start + 1, end - start] for name, start, end in zip(sheet.names, starts, ends, strict=True)}
    skips = dict.fromkeys(_line_pattern(line) for line in others)
    sheet.layout |= {"format": "fixed", "widths": widths, "shortest": min(len(line.rstrip()) for line in records)}
    if skips:
        sheet.layout["skip"] = list(skips)
        sheet.decided.append(f"{len(others)} lines of the sample are page headers or rules, and are skipped")
    listed = ", ".join(f"{name} from character {start}" for name, (start, _) in widths.items())
    sheet.decided.append(f"fixed width, {len(starts)} columns: {listed}")
    sheet.columns = {
        name: [line[start - 1 : start - 1 + width].strip() for line in records]
        for name, (start, width) in widths.items()
    }
    return True


def _line_pattern(line: str) -> str:
    if RULER.fullmatch(line):
        return r"^[-=_*+| ]+$"
    words = [re.escape(word) for word in line.split()[:FEW]]
    return r"^\s*" + r"\s+".join(words)
