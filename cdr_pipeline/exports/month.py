"""Monthly files of an account, made from its daily files only: all rows, a summary, journal lines.

Each has a note (``.sources.json``) that lists the daily files it was made from, with version and hash. The note shows
whether the file is the sum of its days, and whether a day has been restated since.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

import orjson
import polars as pl

from cdr_pipeline.core.fields.dictionary import BY_NAME
from cdr_pipeline.errors import ExportError
from cdr_pipeline.exports.atomic import AtomicFile, new_file, remove, sole_writer
from cdr_pipeline.exports.daily_file import require_bytes
from cdr_pipeline.exports.dialects.registry import EXACT
from cdr_pipeline.exports.exact_csv import header, lines
from cdr_pipeline.exports.manifest import Manifest
from cdr_pipeline.exports.reading_back import read_cells
from cdr_pipeline.exports.totals import FileTotals, GroupTotals, with_typed_values

NOTE_SUFFIX: Final = ".sources.json"
Preset = Literal["netsuite", "qbo", "xero"]
# Maximum lines (without the header) and bytes per import of each accounting system.
LIMITS: Final[dict[Preset, tuple[int, int]]] = {
    "netsuite": (25_000, 50_000_000),
    "qbo": (1_000, 350_000),
    "xero": (1_000, 1_000_000),
}
SUMMARY: Final = (
    "account_id", "business_date", "call_direction", "destination", "cost_currency", "legs", "answered_legs",
    "duration_seconds", "billing_seconds", "cost",
)  # fmt: skip
JOURNAL: Final = ("reference", "date", "account_id", "description", "currency", "amount", "legs", "billing_seconds")
# E.164 country codes, and area codes of the North American plan.
_DESTINATION: Final = r"^\+(1\d{3}|7|20|27|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3})"


@dataclass(frozen=True, slots=True)
class DaySource:
    """Newest exact file of a day."""

    path: Path
    manifest: Manifest


def write_month(sources: Sequence[DaySource], *, account_id: str, month: date, folder: Path) -> Path:
    """Writes all rows of the days under one header: ``month_{account}_{yyyy-mm}.csv``.

    Raises:
        SealedFileDamaged: a daily file differs from its manifest.
        ExportError: the file cannot be written.
    """
    columns = sources[-1].manifest.columns if sources else list(BY_NAME)
    path = folder / f"month_{account_id}_{month:%Y-%m}.csv"
    return _write(path, header(columns), (lines(cells) for cells in _cells(sources)), sources)


def write_summary(sources: Sequence[DaySource], *, account_id: str, month: date, folder: Path) -> Path:
    """Writes one line per day, direction, destination and currency: ``summary_{account}_{yyyy-mm}.csv``.

    Raises:
        SealedFileDamaged, ExportError: as ``write_month``.
    """
    path = folder / f"summary_{account_id}_{month:%Y-%m}.csv"
    return _write(path, header(SUMMARY), [lines(summary(sources))], sources)


def write_journal(
    sources: Sequence[DaySource], *, account_id: str, month: date, folder: Path, preset: Preset
) -> list[Path]:
    """Writes one line per day and currency, split into files within ``LIMITS``; names contain part and number of parts.

    Raises:
        SealedFileDamaged, ExportError: as ``write_month``.
    """
    entries = journal(sources, account_id)
    parts = list(_parts(entries, *LIMITS[preset])) or [entries]
    paths: list[Path] = []
    for number, part in enumerate(parts, start=1):
        name = f"journal_{account_id}_{month:%Y-%m}_{preset}_{number}of{len(parts)}.csv"
        paths.append(_write(folder / name, header(JOURNAL), [lines(part)], sources))
    return paths


def summary(sources: Sequence[DaySource]) -> pl.DataFrame:
    """``SUMMARY`` as text; legs without a public number have the destination "other"."""
    parts = [
        with_typed_values(cells)
        .group_by(
            "account_id",
            "business_date",
            pl.col("call_direction").fill_null("unknown"),
            pl.col("callee_e164").str.extract(_DESTINATION, 0).fill_null("other").alias("destination"),
            pl.col("cost_currency").fill_null(""),
        )
        .agg(
            pl.len().cast(pl.Int64).alias("legs"),
            pl.col("answered").sum().cast(pl.Int64).alias("answered_legs"),
            pl.col("duration_seconds").sum().cast(pl.Decimal(38, 3)),
            pl.col("billing_seconds").sum().cast(pl.Decimal(38, 3)),
            pl.col("cost").sum().cast(pl.Decimal(38, 8)),
        )
        for cells in _cells(sources)
    ]
    if not parts:
        return pl.DataFrame(schema=dict.fromkeys(SUMMARY, pl.String()))
    keys = list(SUMMARY[:5])
    summed = pl.concat(parts).group_by(keys).agg(pl.col(name).sum() for name in SUMMARY[5:]).sort(keys)
    return summed.select(pl.col(name).cast(pl.String).replace("", None) for name in SUMMARY)


def journal(sources: Sequence[DaySource], account_id: str) -> pl.DataFrame:
    """``JOURNAL`` as text: one line per day and currency, from the totals of the days' manifests."""
    entries: list[dict[str, str]] = []
    for source in sources:
        total = source.manifest.totals["all"]
        day = source.manifest.business_date
        for currency, amount in total["cost"].items():
            entries.append(
                {
                    "reference": f"cdrs-{account_id}-{day}-v{source.manifest.version}-{currency or 'none'}",
                    "date": day,
                    "account_id": account_id,
                    "description": f"Calls of {day}, file sha256 {source.manifest.sha256[:16]}",
                    "currency": currency,
                    "amount": amount,
                    "legs": str(total["legs"]),
                    "billing_seconds": total["billing_seconds"],
                }
            )
    return pl.DataFrame(entries, schema=dict.fromkeys(JOURNAL, pl.String()), orient="row")


def month_totals(sources: Iterable[DaySource]) -> dict[str, Any]:
    """Sum of the totals in the days' manifests."""
    totals = FileTotals()
    for source in sources:
        for group, stated in source.manifest.totals.items():
            if group != "all":
                totals.groups[group] = totals.groups.get(group, GroupTotals()).plus(GroupTotals.of(stated))
    return totals.as_json()


def _cells(sources: Sequence[DaySource]) -> Iterator[pl.DataFrame]:
    for source in sources:
        require_bytes(source.path, source.manifest.sha256)
        yield from read_cells(source.path, EXACT, source.manifest.columns)


def _parts(entries: pl.DataFrame, most_lines: int, most_bytes: int) -> Iterator[pl.DataFrame]:
    """Splits lines into parts within both limits."""
    sizes = entries.select(pl.concat_str(pl.all().fill_null("")).str.len_bytes() + 4 * len(JOURNAL)).to_series()
    start, size_so_far = 0, 0
    for number, size in enumerate(sizes):
        if number > start and (number - start == most_lines or size_so_far + size > most_bytes):
            yield entries[start:number]
            start, size_so_far = number, 0
        size_so_far += size
    if start < entries.height:
        yield entries[start:]


def _write(path: Path, header_line: bytes, contents: Iterable[bytes], sources: Sequence[DaySource]) -> Path:
    """Removes the old note, then writes the file, then the new note."""
    with sole_writer(path.parent), new_file(path) as writing:
        writing.write(header_line)
        for content in contents:
            writing.write(content)
        note = path.with_name(path.name + NOTE_SUFFIX)
        remove(note)
        writing.place()
        with new_file(note) as note_file:
            note_file.write(_note(writing, sources))
            note_file.place()
    return path


def _note(writing: AtomicFile, sources: Sequence[DaySource]) -> bytes:
    final = all(source.manifest.state != "open" for source in sources)
    note = {
        "file": writing.target.name,
        "sha256": writing.sha256,
        "bytes": writing.size,
        "state": "final" if sources and final else "provisional",
        "rows": sum(source.manifest.rows for source in sources),
        "totals": month_totals(sources),
        "days": [
            {
                "business_date": source.manifest.business_date,
                "file": source.manifest.file,
                "sha256": source.manifest.sha256,
                "version": source.manifest.version,
                "state": source.manifest.state,
            }
            for source in sources
        ],
    }
    return orjson.dumps(note, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n"


def verify_month(path: Path) -> list[str]:
    """Differences between a monthly file, its note and the daily files in the same folder; empty if there are none."""
    try:
        note = orjson.loads(path.with_name(path.name + NOTE_SUFFIX).read_bytes())
        content = path.read_bytes()
        differences = (
            []
            if hashlib.sha256(content).hexdigest() == note["sha256"]
            else ["sha256: the file has another hash than its note"]
        )
        for day in note["days"]:
            require_bytes(path.parent / day["file"], day["sha256"])
    except ExportError as error:
        return [f"days: {error.message}"]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return ["file: the file or its note is missing or invalid"]
    return differences
