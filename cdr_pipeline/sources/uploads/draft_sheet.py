"""The shape of an unknown file: encoding, titles, header, delimiter or fixed width, repeated headers, totals."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import orjson

from cdr_pipeline.core.uploads.profile_values import column_name
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.sources.uploads.draft_times import date_formats, date_time_formats, epoch_notation
from cdr_pipeline.sources.uploads.draft_words import meanings_of, words_of
from cdr_pipeline.sources.uploads.opening import text_pieces
from cdr_pipeline.sources.uploads.records import numbered_names
from cdr_pipeline.sources.uploads.xml_documents import record_path, xml_records

_SAMPLE_LINES: Final = 1_000
_TAIL_LINES: Final = 20
_TAIL: Final = 64 * 1024
_MOST_FOOTERS: Final = 5
_DELIMITERS: Final = (",", ";", "\t", "|", "^", "~")
_ENCODINGS: Final = ("utf-8", "cp1252", "latin-1")
_SEP_LINE: Final = re.compile(r"\ufeff?\"?sep=(.)\"?\s*", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[+\-(]?[$€£]?[0-9][0-9.,' ]*\)?%?")
_CLOCK: Final = re.compile(r"[0-9]{1,4}:[0-9]{2}(?::[0-9]{2})?")
_TYPE: Final = re.compile(r"[A-Z][A-Z ]*(?:\([0-9, ]*\))?")
_RULER: Final = re.compile(r"\s*[-=_*+| ]{5,}\s*")
_TOTAL: Final = re.compile(
    r"\W*(?:grand\s+|sub)?(?:totals?|totaux|summe|gesamt\w*|somme|totale|totaal|total\s*general|sum|records?|rows|count"
    r"|number of (?:records|calls)|anzahl|eof|end|ende|fin|trailer|trl|generated|exported|page)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_COMMON: Final = 0.6
_FEW: Final = 3
_MOST_DEPTH: Final = 6
_LONGEST_NAME: Final = 60
_MOST_TITLES: Final = 30


@dataclass(slots=True)
class Sheet:
    """Records of a sample, and the layout that reads them.

    Attributes:
        layout: keys of ``[layout]`` with their values.
        names: names of the columns as a profile writes them.
        columns: values by column, "" for none, without the blanks around them.
        titles: names as the header writes them.
        decided: sentences about what the file shows.
        has_header: whether names come from the file.
        footers: lines at the end that are no records.
        nested: whether columns are paths into JSON.
    """

    layout: dict[str, Any] = field(default_factory=dict[str, Any])
    names: list[str] = field(default_factory=list[str])
    columns: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    titles: list[str] = field(default_factory=list[str])
    decided: list[str] = field(default_factory=list[str])
    has_header: bool = True
    footers: list[list[str]] = field(default_factory=list[list[str]])
    nested: bool = False

    @property
    def rows(self) -> int:
        """Number of records in the sample."""
        return len(next(iter(self.columns.values()), []))


def read_sheet(path: Path) -> Sheet:
    """Finds the shape of a file.

    Args:
        path: file of calls, packed or not.

    Raises:
        UnreadableUpload: the file cannot be opened, or has no shape that a profile can describe.
    """
    sheet = Sheet()
    encoding, head, tail = _text(path)
    sheet.decided.append(f"encoding {encoding}")
    if head.lstrip()[:1] in ("{", "["):
        _read_json(head, sheet)
    elif head.lstrip().startswith("<"):
        _read_xml(path, head, sheet)
    else:
        lines = [line.rstrip("\r") for line in re.split(r"\n|\r(?!\n)", head)[:_SAMPLE_LINES]]
        written = [line for line in lines if line.strip()]
        if not written:
            raise UnreadableUpload(f"{path.name} holds no lines")
        _read_lines(path, written, [line for line in re.split(r"\r?\n|\r", tail) if line.strip()], sheet)
    sheet.layout["encoding"] = encoding
    nulls = [word for word in ("NULL", "\\N", "NA", "N/A", "-", "null", "None") if _is_null(word, sheet)]
    if nulls:
        sheet.layout["nulls"] = nulls
        nothing = frozenset(nulls)
        sheet.columns = {
            name: ["" if value in nothing else value for value in values] for name, values in sheet.columns.items()
        }
    return sheet


def _is_null(word: str, sheet: Sheet) -> bool:
    """Whether a word means "no value": NULL always does, others only in a column of several other values."""
    if word in ("NULL", "\\N"):
        return any(word in values for values in sheet.columns.values())
    return any(word in values and len({*values} - {word, ""}) > 1 for values in sheet.columns.values())


def _text(path: Path) -> tuple[str, str, str]:
    """Encoding, beginning and end of the text."""
    encodings = list(_ENCODINGS)
    while True:
        encoding = encodings.pop(0)
        try:
            return (encoding, *_ends(text_pieces(path, encoding)))
        except UnreadableUpload as error:
            if "UTF-16" in error.message and encoding == _ENCODINGS[0]:
                encodings = ["utf-16-le", "utf-16-be"]
            if not encodings:
                raise


def _ends(pieces: Iterator[str]) -> tuple[str, str]:
    head = tail = ""
    for piece in pieces:
        if not head.strip():
            head = piece
        tail = (tail + piece)[-_TAIL:]
    return head, tail


def _read_lines(path: Path, lines: list[str], tail: list[str], sheet: Sheet) -> None:
    titles = 0
    separator = _SEP_LINE.fullmatch(lines[0])
    if separator:
        titles, lines = 1, lines[1:]
        sheet.decided.append(f"the first line names the delimiter ({lines and separator[0].strip()}), and is skipped")
    if _are_wrapped(lines):
        sheet.layout["unwrap"] = '^"(.*)"\\s*$'
        if any('""' in line for line in lines):
            sheet.layout["doubled"] = True
        lines = [_without_wrap(line) for line in lines]
        tail = [_without_wrap(line) for line in tail]
        sheet.decided.append("every line is quoted as a whole")
    delimiter = separator[1] if separator else _delimiter(lines)
    if not delimiter:
        if _squeezed(lines, sheet) or _fixed(lines, sheet):
            return
        raise UnreadableUpload(
            f"{path.name}: no delimiter splits its lines into the same number of fields",
            hint='for fixed-width text, set [layout] format = "fixed" and [layout.widths]',
        )
    sheet.layout["delimiter"] = delimiter
    _read_rows([_cells(line, delimiter) for line in lines], [_cells(line, delimiter) for line in tail], titles, sheet)


def _read_rows(rows: list[list[str]], tail: list[list[str]], titles: int, sheet: Sheet) -> None:
    """Finds titles, header, row of types, repeated headers and totals among rows of cells."""
    counts = Counter(len(row) for row in rows if len(row) > 1)
    if not counts:
        raise UnreadableUpload(
            f"the delimiter {sheet.layout['delimiter']!r} splits no line into fields",
            hint="if every line is quoted as a whole, set [layout] unwrap to a regular expression of its inner text",
        )
    width = max(counts, key=lambda number: (counts[number], number))
    header = _header_index(rows, width)
    if header is None:
        first = next((index for index, row in enumerate(rows) if len(row) == width), 0)
        titles, records = titles + first, rows[first:]
        sheet.names = [f"column_{number}" for number in range(1, width + 1)]
        sheet.titles = [""] * width
        sheet.has_header = False
        sheet.layout |= {"header": False, "columns": sheet.names}
        sheet.decided.append(f"{width} columns, delimiter {sheet.layout['delimiter']!r}")
        sheet.decided.append("no header line")
    else:
        cells = rows[header]
        titles, records = titles + header, rows[header + 1 :]
        sheet.titles = [cell.strip().strip('"').strip() for cell in cells]
        plain = [column_name(title) or f"column_{number}" for number, title in enumerate(sheet.titles, start=1)]
        sheet.names = numbered_names(plain)
        sheet.decided.append(f"{width} columns, delimiter {sheet.layout['delimiter']!r}")
        sheet.decided.append("a header line")
        if sheet.names != plain:
            sheet.layout["number_names"] = True
            sheet.decided.append("the header names columns alike; the later ones get a number")
        if (
            records
            and len(records[0]) == width
            and all(_TYPE.fullmatch(cell.strip().strip('"')) for cell in records[0])
        ):
            sheet.layout["type_rows"] = 1
            records = records[1:]
            sheet.decided.append("a row of types under the header")
        again = [row for row in records if row == cells]
        if again:
            records = [row for row in records if row != cells]
            sheet.decided.append("the header comes again within the file; such lines are skipped")
    if titles:
        sheet.layout["preamble"] = titles
        skipped = count_of(titles, "line")
        sheet.decided.append(f"skipped: {skipped} before the {'records' if header is None else 'header'}")
    records = [row for row in records if not _RULER.fullmatch("".join(row))]
    complete = _without_footers(records, tail, width, sheet)
    sheet.columns = {name: [row[index].strip() for row in complete] for index, name in enumerate(sheet.names)}
    if not complete:
        raise UnreadableUpload("the file holds a header and no records", hint="draft from a file with calls")


def _without_footers(records: list[list[str]], tail: list[list[str]], width: int, sheet: Sheet) -> list[list[str]]:
    """Complete records; lines of totals at the end of the file are described as footers."""
    found: list[list[str]] = []
    for row in reversed(tail[-_MOST_FOOTERS:]):
        text = next((cell.strip() for cell in row if cell.strip()), "")
        ragged = len(row) != width and len(records) > _FEW
        if not (_TOTAL.fullmatch(text) or (ragged and not _has_time(row))) or _has_time(row):
            break
        found.append(row)
    if found:
        patterns = dict.fromkeys(_footer_pattern(row) for row in found)
        sheet.layout["footer"] = list(patterns)
        sheet.footers = found[::-1]
        sheet.decided.append(f"skipped: {count_of(len(found), 'line')} at the end, with totals or end marks")
    return [row for row in records if len(row) == width and row not in found]


def _footer_pattern(row: list[str]) -> str:
    first = next((index for index, cell in enumerate(row) if cell.strip()), 0)
    word = re.match(r"\W*[^\d\W]*", row[first].strip())
    mark = re.escape(word[0].strip() if word and word[0].strip() else row[first].strip())
    return f'^[",;|\\s]*{mark}'


def _has_time(row: list[str]) -> bool:
    return any(
        bool(date_time_formats([cell.strip()]) or date_formats([cell.strip()]) or _ISO_DATE.match(cell.strip()))
        for cell in row
        if cell.strip()
    ) or any(epoch_notation([cell.strip()]) == "epoch_seconds" for cell in row)


_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]")


def _are_wrapped(lines: Sequence[str]) -> bool:
    """Whether every line is quoted as a whole, except for titles before them and totals after them."""
    wrapped = [index for index, line in enumerate(lines) if _is_wrapped(line)]
    if len(wrapped) < 2 or wrapped[-1] - wrapped[0] >= len(wrapped):  # noqa: PLR2004 - one line shows nothing
        return False
    titles, totals = lines[: wrapped[0]], lines[wrapped[-1] + 1 :]
    delimiter = _delimiter([_without_wrap(lines[index]) for index in wrapped])
    # A line before them that has the delimiter is a header, which would have to be quoted too.
    is_header = any(delimiter and delimiter in title for title in titles)
    return not is_header and len(titles) < _MOST_TITLES and len(totals) <= _MOST_FOOTERS


def _without_wrap(line: str) -> str:
    return line.strip()[1:-1].replace('""', '"') if _is_wrapped(line) else line


def _is_wrapped(line: str) -> bool:
    text = line.strip()
    return len(text) > 2 and text[0] == text[-1] == '"' and '"' not in text[1:-1].replace('""', "")  # noqa: PLR2004 - two quotes


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter that splits most lines into the same number of fields; "" if none splits most lines."""

    def score(delimiter: str) -> tuple[float, int]:
        widths = Counter(len(_cells(line, delimiter)) for line in lines)
        several = {width: times for width, times in widths.items() if width > 1}
        if not several:
            return 0.0, 0
        width, times = max(several.items(), key=lambda item: (item[1], item[0]))
        share = times / len(lines)
        # Titles and totals are few lines; in a short file they are a large part of it.
        return (1.0 if share >= _COMMON else share, width)

    best = max(_DELIMITERS, key=score)
    share, width = score(best)
    return best if share >= _COMMON or (width > _FEW and share * len(lines) >= 2) else ""  # noqa: PLR2004 - two lines


def _header_index(rows: Sequence[list[str]], width: int) -> int | None:
    """Position of the header: the first full row of words, if no full row of values is before it."""
    for index, row in enumerate(rows[:_MOST_TITLES]):
        filled = [cell.strip() for cell in row if cell.strip()]
        if len(row) != width or len(filled) < max(2, width * _COMMON):
            continue
        if all(_is_word(cell) for cell in filled):
            known = sum(bool(meanings_of(words_of(cell).tokens)) for cell in filled)
            follows = [other for other in rows[index + 1 :] if len(other) == width]
            return index if known or _differs(row, follows) else None
        return None
    return None


def _differs(row: list[str], others: list[list[str]]) -> bool:
    """Whether a column of the other rows holds numbers or times."""
    return any(
        other[column].strip() and not _is_word(other[column].strip())
        for other in others[:_FEW]
        for column in range(len(row))
    )


def _is_word(cell: str) -> bool:
    if len(cell) > _LONGEST_NAME or not any(character.isalpha() for character in cell):
        return False
    return not (_NUMBER.fullmatch(cell) or _CLOCK.fullmatch(cell) or _ISO_DATE.match(cell) or date_time_formats([cell]))


def _squeezed(lines: list[str], sheet: Sheet) -> bool:
    """Reads text whose columns are separated by runs of blanks, if all lines have the same number of words."""
    rows = [line.split() for line in lines]
    counts = Counter(map(len, rows))
    width, times = counts.most_common(1)[0]
    if width < _FEW or times < len(rows) - 1 or any(re.search(r"\S \S", line) and "  " in line for line in lines):
        return False
    sheet.layout |= {"delimiter": " ", "squeeze": True}
    sheet.decided.append("columns are separated by runs of blanks")
    _read_rows(rows, rows, 0, sheet)
    return True


def _fixed(lines: list[str], sheet: Sheet) -> bool:
    """Reads text of fixed width: columns are separated by positions that are blank in every record."""
    records = [
        line for line in lines if sum(character.isdigit() for character in line) > len(line.replace(" ", "")) // 3
    ]
    if len(records) < 2 or len(records) < len(lines) // 3:  # noqa: PLR2004 - one line has no columns
        return False
    length = max(map(len, records))
    used = [any(position < len(line) and line[position] != " " for line in records) for position in range(length)]
    starts = [position for position in range(length) if used[position] and (position == 0 or not used[position - 1])]
    if len(starts) < _FEW:
        return False
    ends = [*starts[1:], length + 40]
    others = [line for line in lines if line not in records]
    heading = next((line for line in others if len(line.split()) >= _FEW and not _RULER.fullmatch(line)), "")
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
    if _RULER.fullmatch(line):
        return r"^[-=_*+| ]+$"
    words = [re.escape(word) for word in line.split()[:_FEW]]
    return r"^\s*" + r"\s+".join(words)


def _read_json(text: str, sheet: Sheet) -> None:
    sheet.layout["format"] = "json"
    sheet.decided.append("JSON")
    content = _value(text)
    if content is None:
        content = [_value(line) for line in text.splitlines()[:_SAMPLE_LINES] if line.strip()]
        sheet.decided.append("one document a line")
    path, items = _list_of_objects(content)
    if path and path != "data":
        sheet.layout["records"] = path
        sheet.decided.append(f"the records are the list {path}")
    if not items:
        raise UnreadableUpload("the file is not JSON, or holds no JSON objects", hint="check the file in an editor")
    _read_items(items, sheet)


def _read_xml(path: Path, text: str, sheet: Sheet) -> None:
    records = record_path(text)
    sheet.layout |= {"format": "xml", "records": records}
    sheet.decided.append(f"XML; the records are the elements {records}")
    items = [item for item, _ in islice(xml_records([text], records, whole=False), _SAMPLE_LINES)]
    if not any(text for item in items for _, text in _leaves(item, "", 0)):
        raise UnreadableUpload(f"{path.name} is XML, but no element has a value", hint="check the file in an editor")
    if any("%2B" in text or "%20" in text for item in items for _, text in _leaves(item, "", 0)):
        sheet.layout["percent_encoded"] = True
        sheet.decided.append("values are percent-encoded")
        items = [
            item for item, _ in islice(xml_records([text], records, percent_encoded=True, whole=False), _SAMPLE_LINES)
        ]
    _read_items(items, sheet)


def _read_items(items: Sequence[dict[str, Any]], sheet: Sheet) -> None:
    leaves = [dict(_leaves(item, "", 0)) for item in items[:_SAMPLE_LINES]]
    names: dict[str, str] = {}
    for item in leaves:
        for name in item:
            names.setdefault(".".join(column_name(part) for part in name.split(".")), name)
    sheet.nested = any("." in name for name in names)
    if sheet.nested:
        sheet.decided.append("values are nested; columns are paths")
    sheet.names = sorted(names)
    sheet.titles = [names[name] for name in sheet.names]
    folded = [
        {".".join(column_name(part) for part in name.split(".")): value for name, value in item.items()}
        for item in leaves
    ]
    sheet.columns = {name: [item.get(name, "") for item in folded] for name in sheet.names}


def _list_of_objects(content: object) -> tuple[str, list[dict[str, Any]]]:
    """Path to the records and the records: a list, the longest list of objects in a document, or the document."""
    if isinstance(content, list):
        return "", [item for item in cast("list[Any]", content) if isinstance(item, dict)]
    if not isinstance(content, dict):
        return "", []
    document = cast("dict[str, Any]", content)
    best: tuple[str, list[dict[str, Any]]] = ("", [])
    stack: list[tuple[str, dict[str, Any]]] = [("", document)]
    while stack:
        prefix, value = stack.pop()
        for key, item in value.items():
            path = f"{prefix}.{key}" if prefix else key
            if isinstance(item, dict) and path.count(".") < 2:  # noqa: PLR2004 - envelopes are not deep
                stack.append((path, cast("dict[str, Any]", item)))
            elif isinstance(item, list) and item and all(isinstance(one, dict) for one in cast("list[Any]", item)):
                listed = cast("list[dict[str, Any]]", item)
                if len(listed) > len(best[1]):
                    best = (path, listed)
    # A document with values of its own next to a short list is one record with parts.
    if best[1] and (len(best[1]) > 1 or len(document) <= _FEW):
        return best
    return "", [document]


def _leaves(value: object, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and depth < _MOST_DEPTH:
        for key, item in cast("dict[str, object]", value).items():
            yield from _leaves(item, f"{path}.{key}" if path else key, depth + 1)
    elif (
        isinstance(value, list)
        and depth < _MOST_DEPTH
        and any(isinstance(item, dict) for item in cast("list[object]", value))
    ):
        for index, item in enumerate(cast("list[object]", value)[:2]):
            yield from _leaves(item, f"{path}.{index}", depth + 1)
    elif value is not None and not isinstance(value, dict | list):
        yield path, value if isinstance(value, str) else orjson.dumps(value).decode()


def _value(line: str) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
