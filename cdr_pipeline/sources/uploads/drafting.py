"""Drafts an import profile from the beginning of a file, and lists what it decided and what it cannot know."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import orjson

from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.core.uploads.profile_values import column_name
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.opening import text_pieces
from cdr_pipeline.sources.uploads.profiles import list_profiles

_SAMPLE_LINES: Final = 500
_DELIMITERS: Final = (",", ";", "\t", "|")
_ENCODINGS: Final = ("utf-8", "cp1252")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")
_CLOCK: Final = re.compile(r"(?:[0-9]+:)?[0-9]{1,2}:[0-9]{2}")
_TYPE: Final = re.compile(r"[A-Z][A-Z ]*(?:\([0-9, ]*\))?")
_OFFSET: Final = re.compile(r".*[0-9](?:Z|[+-][0-9]{2}:?[0-9]{2})")
_COMPACT: Final = re.compile(r"[0-9]{14}(?:\.[0-9]+)?")
_DECIMAL_COMMA: Final = re.compile(r"[0-9.]*,[0-9]{1,8}")
# Formats of dates, by the order of day and month.
_DAY_FIRST: Final = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%y %H:%M:%S", "%d-%m-%Y %H:%M:%S")
_MONTH_FIRST: Final = ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%y %H:%M:%S", "%m-%d-%Y %H:%M:%S")
_PLAIN: Final = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y%m%d%H%M%S", "%Y%m%d%H%M%S.%f", "%a %b %d %H:%M:%S %Y",
    "%d-%b-%Y %H:%M:%S", "%d %b %Y %H:%M:%S",
)  # fmt: skip
_EPOCHS: Final = (
    ("epoch_seconds", 631_152_000, 4_102_444_800),
    ("epoch_milliseconds", 631_152_000_000, 4_102_444_800_000),
    ("gregorian_seconds", 62_798_371_200, 66_269_664_000),
)
_IDS: Final = ("id", "uuid", "callid", "call_id", "record_id", "uniqueid", "cdr_id", "pkid", "sid", "acctid")
UNKNOWN_ZONE: Final = "FILL IN, such as Europe/Berlin"
UNKNOWN_FORMAT: Final = "FILL IN: %d/%m/%Y %H:%M:%S or %m/%d/%Y %H:%M:%S"


@dataclass(slots=True)
class Draft:
    """A drafted profile.

    Attributes:
        text: TOML of the profile; ``profiles check`` fails as long as it contains FILL IN.
        decided: sentences about what the file shows.
        unknown: sentences about what the file does not show.
        resembles: names of profiles that may fit without changes.
    """

    text: str = ""
    decided: list[str] = field(default_factory=list[str])
    unknown: list[str] = field(default_factory=list[str])
    resembles: list[str] = field(default_factory=list[str])


def draft_profile(path: Path, folder: Path | None = None) -> Draft:
    """Drafts a profile from the beginning of a file.

    Args:
        path: file of calls, packed or not.
        folder: folder of the operator's own profiles, which are compared with the file too.

    Raises:
        UnreadableUpload: the file cannot be opened, or holds no rows.
    """
    draft = Draft()
    encoding, text = _text(path)
    draft.decided.append(f"encoding {encoding}")
    lines = [line for line in text.splitlines()[:_SAMPLE_LINES] if line.strip()]
    if not lines:
        raise UnreadableUpload(f"{path.name} holds no lines")
    if lines[0].lstrip().startswith(("{", "[")):
        return _json_draft(text, encoding, draft)
    delimiter = _delimiter(lines)
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
    width = Counter(map(len, rows)).most_common(1)[0][0]
    rows = [row for row in rows if len(row) == width]
    draft.decided.append(f"{width} columns, delimiter {delimiter!r}")
    header, type_rows, records = _header(rows)
    names = [column_name(cell) for cell in header] if header else [f"column_{n}" for n in range(1, width + 1)]
    draft.decided.append("a header line" if header else "no header line")
    if type_rows:
        draft.decided.append("a row of types under the header")
    columns = {name: [row[index].strip() for row in records] for index, name in enumerate(names)}
    if width == 1:
        raise UnreadableUpload(
            f"{path.name}: no delimiter splits its lines into the same number of fields",
            hint='for fixed-width text, set [layout] format = "fixed" and [layout.widths]',
        )
    layout = [f"delimiter = {_quoted(delimiter)}", f"encoding = {_quoted(encoding)}"]
    layout += ["header = true"] if header else ["header = false", f"columns = {_list(names)}"]
    layout += ["type_rows = 1"] if type_rows else []
    nulls = [word for word in ("NULL", "\\N", "NA", "-") if any(word in values for values in columns.values())]
    layout += [f"nulls = {_list(nulls)}"] if nulls else []
    draft.resembles = [
        name
        for name, profile in list_profiles(folder).items()
        if name != "generic" and _fits(profile, names, header=bool(header))
    ]
    return _written(draft, columns, layout)


def _text(path: Path) -> tuple[str, str]:
    for encoding in _ENCODINGS:
        try:
            return encoding, _beginning(text_pieces(path, encoding))
        except UnreadableUpload:
            if encoding == _ENCODINGS[-1]:
                raise
    raise AssertionError("unreachable: the last encoding returns or raises")


def _beginning(pieces: Iterator[str]) -> str:
    return next((piece for piece in pieces if piece.strip()), "")


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter that splits most lines into the same number of fields."""

    def score(delimiter: str) -> tuple[float, int]:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter))
        width, times = widths.most_common(1)[0]
        return (times / len(lines) if width > 1 else 0.0, width)

    return max(_DELIMITERS, key=score)


def _header(rows: Sequence[list[str]]) -> tuple[list[str], bool, Sequence[list[str]]]:
    """Names of the columns, whether a row of types follows, and the records. A line with a number is not a header."""
    first = [cell.strip() for cell in rows[0]]
    words = all(cell and not _NUMBER.fullmatch(cell) and not _is_time(cell) for cell in first)
    if not words or len(set(first)) < len(first):
        return [], False, rows
    types = len(rows) > 1 and all(_TYPE.fullmatch(cell.strip().strip('"')) for cell in rows[1])
    return first, types, rows[1 + types :]


def _is_time(text: str) -> bool:
    return any(_matches(text, layout) for layout in (*_PLAIN, *_DAY_FIRST, *_MONTH_FIRST))


def _matches(text: str, layout: str) -> bool:
    if layout.startswith("%Y%m%d%H") and not _COMPACT.fullmatch(text):
        # Python also accepts fewer digits, and would read a telephone number as a time.
        return False
    try:
        datetime.strptime(text, layout)  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    return True


def _fits(profile: Profile, names: Sequence[str], *, header: bool) -> bool:
    """Whether an existing profile fits files with these columns."""
    if profile.layout.format != "delimited" or profile.layout.header != header:
        return False
    if not header:
        return any(len(columns) == len(names) for columns in profile.layout.columns)
    needed = [columns for columns in profile.fields.values() if columns]
    matches = sum(any(column in names for column in columns) for columns in needed)
    return matches > len(needed) * 0.7


def _json_draft(text: str, encoding: str, draft: Draft) -> Draft:
    draft.decided.append("JSON")
    content = _value(text)
    if content is None:
        content = [_value(line) for line in text.splitlines()[:_SAMPLE_LINES]]
        draft.decided.append("one document a line")
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        content = content["data"]
    items = [item for item in (content if isinstance(content, list) else [content]) if isinstance(item, dict)]
    if not items:
        raise UnreadableUpload("the file is not JSON, or holds no JSON objects", hint="check the file in an editor")
    names = sorted({column_name(key) for item in items for key in item})
    folded = [{column_name(key): value for key, value in item.items()} for item in items]
    columns = {name: ["" if item.get(name) is None else str(item[name]) for item in folded] for name in names}
    return _written(draft, columns, ['format = "json"', f"encoding = {_quoted(encoding)}"])


def _value(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _written(draft: Draft, columns: dict[str, list[str]], layout: list[str]) -> Draft:
    """Completes the draft with its text: the tables of a profile, in the order in which they are documented."""
    fields = _fields(columns)
    if "started_at" not in fields and (start := _time_column(columns)):
        fields["started_at"] = start
        draft.decided.append(f"{start} is the first column of times, used as the start of a call")
    lines = ['description = "FILL IN: which system writes such files"']
    identity = next((name for name in _IDS if name in columns and _is_identity(columns[name])), None)
    if identity and _counts_rows(columns[identity]):
        lines.append(
            f"# {identity} counts the rows. If the count restarts in every file, it does not identify a record: add"
            " columns that distinguish the records, such as the day, or delete the next line."
        )
        draft.unknown.append(
            f"whether {identity} identifies a record: it counts the rows, and the count may restart in the next file"
        )
    if identity:
        lines.append(f"native_id = {_list([identity])}")
        draft.decided.append(f"{identity} identifies a record: in the sample it is never empty and has no duplicates")
    else:
        draft.unknown.append(
            "which column identifies a record: none was found, so the import uses a fingerprint of the row"
        )
    lines += _duration(columns, fields, draft)
    money = [value for name in ("cost", "rate") if name in fields for value in columns[fields[name]] if value]
    if money:
        draft.unknown.append("which currency the money is in")
        lines.append('currency = "FILL IN, such as EUR"')
    commas = [value for value in money if _DECIMAL_COMMA.fullmatch(value)]
    if commas and all(value in commas or value.isdecimal() for value in money):
        lines.append('decimal_mark = ","')
        draft.decided.append("the decimal mark is a comma")
    lines += ["", "[layout]", *layout, "", "[time]", *_time(columns, fields, draft), "", "[fields]"]
    lines += [f"{name} = {_quoted(column)}" for name, column in fields.items()]
    rest = [name for name in columns if name not in fields.values()]
    if "started_at" not in fields:
        draft.unknown.append("which column is the start of a call")
        lines.append('started_at = "FILL IN"')
    if rest:
        lines.append(f"# not used, kept with the record: {', '.join(rest)}")
        draft.unknown.append(f"what these columns mean: {', '.join(rest)}")
    draft.text = "\n".join(lines) + "\n"
    return draft


def _time_column(columns: dict[str, list[str]]) -> str | None:
    """The first column whose values are all times."""
    for name, values in columns.items():
        texts = [value for value in values if value]
        if texts and all(_is_time(text) for text in texts):
            return name
    return None


def _is_identity(values: Sequence[str]) -> bool:
    return all(values) and len(set(values)) == len(values)


def _counts_rows(values: Sequence[str]) -> bool:
    """Whether a column numbers the rows of the file, from 0 or 1."""
    return any(list(values) == [str(number + first) for number in range(len(values))] for first in (0, 1))


def _fields(columns: dict[str, list[str]]) -> dict[str, str]:
    """Column of each canonical field, by the column names in the built-in profiles. No column is used twice."""
    fields: dict[str, str] = {}
    for profile in sorted(list_profiles().values(), key=lambda profile: profile.name != "generic"):
        for name, candidates in profile.fields.items():
            column = next((item for item in candidates if item in columns and item not in fields.values()), None)
            if column and name not in fields:
                fields[name] = column
    return fields


def _duration(columns: dict[str, list[str]], fields: dict[str, str], draft: Draft) -> list[str]:
    name = next((name for name in ("duration_seconds", "billing_seconds") if name in fields), None)
    values = [value for value in columns[fields[name]] if value] if name else []
    if not values:
        draft.unknown.append("how long calls are: no column of durations was found")
        return []
    if all(_CLOCK.fullmatch(value) for value in values):
        draft.decided.append("durations are HH:MM:SS")
        return ['duration_unit = "hh:mm:ss"']
    if all(value.isdecimal() for value in values):
        draft.decided.append("durations are whole numbers, read as seconds")
        return []
    draft.unknown.append("the unit of durations: they have decimals; seconds, milliseconds or minutes")
    return ['duration_unit = "FILL IN: seconds, milliseconds or minutes"']


def _time(columns: dict[str, list[str]], fields: dict[str, str], draft: Draft) -> list[str]:
    values = [value for value in columns.get(fields.get("started_at", ""), []) if value and value != "0"]
    if not values:
        return [f"zone = {_quoted(UNKNOWN_ZONE)}"]
    for notation, low, high in _EPOCHS:
        if all(_NUMBER.fullmatch(value) and low <= float(value.replace(",", ".")) < high for value in values):
            draft.decided.append(f"times are {notation.replace('_', ' ')}, which have no zone")
            return [f"notation = {_quoted(notation)}", *_zero(columns, fields, draft)]
    if all(_OFFSET.fullmatch(value) for value in values):
        draft.decided.append("times are ISO 8601 with an offset")
        return ['notation = "iso8601"']
    draft.unknown.append("the zone of the times: the file does not state it")
    zone = f"zone = {_quoted(UNKNOWN_ZONE)}"
    plain, day_first, month_first = (_fitting(values, orders) for orders in (_PLAIN, _DAY_FIRST, _MONTH_FIRST))
    if day_first and month_first:
        draft.unknown.append("whether the day or the month comes first: every date of the sample fits both")
        return [f"formats = {_list([UNKNOWN_FORMAT])}", zone]
    fitting = plain or day_first or month_first
    if fitting:
        draft.decided.append(f"times are written {fitting[0]}")
        # Where Python's strptime has .%f, Polars has %.f.
        return [f"formats = {_list([fitting[0].replace('.%f', '%.f')])}", zone]
    draft.unknown.append("how the times are written")
    return [f"formats = {_list([UNKNOWN_FORMAT])}", zone]


def _zero(columns: dict[str, list[str]], fields: dict[str, str], draft: Draft) -> list[str]:
    """Setting for files in which an epoch time of 0 means that the event did not happen."""
    times = [columns[fields[name]] for name in ("started_at", "answered_at", "ended_at") if name in fields]
    if not any("0" in values for values in times):
        return []
    draft.decided.append("a time of 0 means no time")
    return ["zero_is_no_time = true"]


def _fitting(values: Sequence[str], layouts: Sequence[str]) -> list[str]:
    return [layout for layout in layouts if all(_matches(value, layout) for value in values)]


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()


def _list(texts: Sequence[str]) -> str:
    return "[" + ", ".join(map(_quoted, texts)) + "]"
