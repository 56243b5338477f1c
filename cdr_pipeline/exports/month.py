"""A month of an account, made of its days' files and of nothing else: all rows, a summary, journal lines.

Each is announced by a note (``.sources.json``) that names every day's file it was made of, with version and hash, so
that anyone can see whether it is the sum of its days, and whether one of them has been restated since.
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
from cdr_pipeline.exports.atomic import Writing, beside, remove, sole_writer
from cdr_pipeline.exports.daily_file import require_bytes
from cdr_pipeline.exports.dialects import ExportDialect
from cdr_pipeline.exports.exact_csv import header, lines
from cdr_pipeline.exports.manifest import Manifest
from cdr_pipeline.exports.reading_back import read_cells
from cdr_pipeline.exports.totals import FileTotals, GroupTotals, counted

NOTE_SUFFIX: Final = ".sources.json"
Preset = Literal["netsuite", "qbo", "xero"]
# Most lines and bytes that one import takes; a ledger's own limits, the header not counted.
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
# Digits of E.164 that name a country or a region of the North American plan.
_DESTINATION: Final = r"^\+(1\d{3}|7|20|27|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3})"


@dataclass(frozen=True, slots=True)
class DaySource:
    """A day's newest exact file."""

    path: Path
    manifest: Manifest


def write_month(sources: Sequence[DaySource], *, account_id: str, month: date, folder: Path) -> Path:
    """All rows of the days, one header: ``month_{account}_{yyyy-mm}.csv``.

    Raises:
        SealedFileDamaged: a day's file is not the one that its manifest describes.
        ExportError: it cannot be written.
    """
    columns = sources[-1].manifest.columns if sources else list(BY_NAME)
    path = folder / f"month_{account_id}_{month:%Y-%m}.csv"
    return _write(path, header(columns), (lines(cells) for cells in _cells(sources)), sources)


def write_summary(sources: Sequence[DaySource], *, account_id: str, month: date, folder: Path) -> Path:
    """A line per day, direction, destination and currency: ``summary_{account}_{yyyy-mm}.csv``.

    Raises:
        SealedFileDamaged, ExportError: as ``write_month``.
    """
    path = folder / f"summary_{account_id}_{month:%Y-%m}.csv"
    return _write(path, header(SUMMARY), [lines(summary(sources))], sources)


def write_journal(
    sources: Sequence[DaySource], *, account_id: str, month: date, folder: Path, preset: Preset
) -> list[Path]:
    """A line per day and currency, in as many files as the ledger's import needs: part n of m in their names.

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
    """``SUMMARY`` as text; a leg without a public number has the destination "other"."""
    found = [
        counted(cells)
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
    if not found:
        return pl.DataFrame(schema=dict.fromkeys(SUMMARY, pl.String()))
    keys = list(SUMMARY[:5])
    whole = pl.concat(found).group_by(keys).agg(pl.col(name).sum() for name in SUMMARY[5:]).sort(keys)
    return whole.select(pl.col(name).cast(pl.String).replace("", None) for name in SUMMARY)


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
    """The sum of the days' totals, as their manifests state them."""
    totals = FileTotals()
    for source in sources:
        for group, stated in source.manifest.totals.items():
            if group != "all":
                totals.groups[group] = totals.groups.get(group, GroupTotals()).plus(GroupTotals.of(stated))
    return totals.as_json()


def _cells(sources: Sequence[DaySource]) -> Iterator[pl.DataFrame]:
    for source in sources:
        require_bytes(source.path, source.manifest.sha256)
        yield from read_cells(source.path, ExportDialect.EXACT, source.manifest.columns)


def _parts(entries: pl.DataFrame, most_lines: int, most_bytes: int) -> Iterator[pl.DataFrame]:
    """Whole lines, as many as both limits allow."""
    sizes = entries.select(pl.concat_str(pl.all().fill_null("")).str.len_bytes() + 4 * len(JOURNAL)).to_series()
    begun, held = 0, 0
    for number, size in enumerate(sizes):
        if number > begun and (number - begun == most_lines or held + size > most_bytes):
            yield entries[begun:number]
            begun, held = number, 0
        held += size
    if begun < entries.height:
        yield entries[begun:]


def _write(path: Path, first: bytes, contents: Iterable[bytes], sources: Sequence[DaySource]) -> Path:
    """The file, and its note last; the note of an older one goes first."""
    with sole_writer(path.parent), beside(path) as writing:
        writing.write(first)
        for content in contents:
            writing.write(content)
        note = path.with_name(path.name + NOTE_SUFFIX)
        remove(note)
        writing.place()
        with beside(note) as said:
            said.write(_note(writing, sources))
            said.place()
    return path


def _note(writing: Writing, sources: Sequence[DaySource]) -> bytes:
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
    """What differs between a file of a month, its note and the days' files beside it."""
    try:
        note = orjson.loads(path.with_name(path.name + NOTE_SUFFIX).read_bytes())
        content = path.read_bytes()
        differences = [] if hashlib.sha256(content).hexdigest() == note["sha256"] else ["sha256: the file has another"]
        for day in note["days"]:
            require_bytes(path.parent / day["file"], day["sha256"])
    except ExportError as error:
        return [f"days: {error.message}"]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return ["file: it or its note is missing, or is none"]
    return differences
