"""Splits a file by the values of its columns: one file for each account and each profile that its rows belong to.

The columns are ``account_column`` and ``profile_column`` of the profile that reads the file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW
from cdr_pipeline.core.records.reasons import Filtered
from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.sources.uploads.documents import json_lines
from cdr_pipeline.sources.uploads.lines import line_blocks
from cdr_pipeline.sources.uploads.opening import text_pieces
from cdr_pipeline.sources.uploads.records import LineRecords, RawRecords
from cdr_pipeline.sources.uploads.xml_documents import around_records, xml_lines

_PART: Final = "__part"
_SHARED: Final = "shared"
# Between account and profile in the name of a part; neither has it.
_MARK_OF_PARTS: Final = "\x1f"
# A byte order mark marks the text as UTF-8, also where the source has another encoding.
_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class FilePart:
    """Part of a file, under the file's own name in a folder of its own.

    Attributes:
        account_id: account that owns its records; "" if the file is not split by account.
        profile: name of the profile that reads it.
        path: the part.
    """

    account_id: str
    profile: str
    path: Path


def split_file(path: Path, profile: Profile, folder: Path, *, by_account: bool) -> list[FilePart]:
    """Writes one file for each account and profile. Headers and other lines without records are in each part.

    An unreadable line is in the first part, where the import rejects it.

    Args:
        path: the file.
        profile: profile that reads the file and names the columns.
        folder: folder in which each part gets a folder of its own.
        by_account: whether ``account_column`` counts; ``profile_column`` counts if the profile has one.

    Raises:
        UnreadableUpload: a row names no known account or profile, the profile's files cannot be split, or the file
            cannot be decoded, or its header cannot be read.
    """
    columns = _split_columns(profile, path.name, by_account=by_account)
    parts = _empty_parts(path, profile, folder, columns)
    first = next(iter(parts), "")
    head, tail = around_records(profile.layout)
    for part in parts.values():
        part.path.write_bytes(_MARK + head.encode())
    for lines, named in _named_lines(path, profile, columns):
        owned = lines.join(named, on=LINE, how="left", maintain_order="left")
        for name, part in parts.items():
            own = owned.filter(
                (pl.col(_PART) == name) | pl.col(_PART).is_null() & (pl.col(_SHARED) | pl.lit(name == first))
            )
            with part.path.open("ab") as writing:
                writing.write("".join(f"{raw}\n" for raw in own[RAW]).encode())
    for part in parts.values():
        with part.path.open("ab") as writing:
            writing.write(tail.encode())
    return list(parts.values())


def _split_columns(profile: Profile, name: str, *, by_account: bool) -> dict[str, Mapping[str, str]]:
    """Columns that split the file, with the meanings of their texts; no meanings mean that the text counts."""
    faults = {
        f"profile {profile.name} has no account_column": by_account and not profile.account_column,
        f"profile {profile.name} compares totals of whole files": bool(profile.control.line),
    }
    for fault, applies in faults.items():
        if applies:
            raise UnreadableUpload(
                f"{name}: {fault}, so the file cannot be split", hint="name one account and one profile for the file"
            )
    columns: dict[str, Mapping[str, str]] = {profile.account_column: profile.account_names} if by_account else {}
    return columns | ({profile.profile_column: profile.profile_names} if profile.profile_column else {})


def _empty_parts(
    path: Path, profile: Profile, folder: Path, columns: Mapping[str, Mapping[str, str]]
) -> dict[str, FilePart]:
    names: dict[str, None] = {}
    for _, named in _named_lines(path, profile, columns):
        names |= dict.fromkeys(named[_PART].drop_nulls().unique(maintain_order=True))
    parts: dict[str, FilePart] = {}
    for number, name in enumerate(names):
        texts = dict(zip(columns, name.split(_MARK_OF_PARTS), strict=True))
        place = folder / f"part{number}" / path.name
        place.parent.mkdir(exist_ok=True)
        reader = texts.get(profile.profile_column, profile.name)
        parts[name] = FilePart(
            "" if not _has_account(profile, columns) else texts[profile.account_column], reader, place
        )
    return parts


def _has_account(profile: Profile, columns: Mapping[str, Mapping[str, str]]) -> bool:
    return bool(profile.account_column) and profile.account_column in columns


def _blocks(path: Path, profile: Profile) -> Iterator[tuple[pl.DataFrame, RawRecords]]:
    """Lines of the file, block by block, with the records on them. A record of a list or of XML becomes a line."""
    layout = profile.layout
    if layout.format == "json":
        yield from json_lines(lambda: text_pieces(path, layout.encoding), layout, profile.columns)
        return
    if layout.format == "xml":
        yield from xml_lines(text_pieces(path, layout.encoding), layout, profile.columns)
        return
    reader = LineRecords(layout)
    for lines in line_blocks(text_pieces(path, layout.encoding), layout):
        yield lines, reader.block(lines)


def _named_lines(
    path: Path, profile: Profile, columns: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Blocks of lines, each with the parts of its lines: ``line``, part (null if none), ``shared`` by all parts."""
    for lines, records in _blocks(path, profile):
        named = _parts_of(records.frame, path.name, profile, columns)
        shared = records.aside.filter(pl.col("kind") != Filtered.BLANK.value)[LINE]
        everything = lines.select(LINE).join(named, on=LINE, how="left", maintain_order="left")
        yield lines, everything.with_columns(pl.col(LINE).is_in(shared.implode()).alias(_SHARED))


def _parts_of(
    frame: pl.DataFrame, file_name: str, profile: Profile, columns: Mapping[str, Mapping[str, str]]
) -> pl.DataFrame:
    """``line`` and part of each record. The error names a line and no value, which may be personal."""
    if frame.is_empty():
        return pl.DataFrame(schema={LINE: pl.Int64, _PART: pl.String})
    named = frame.select(LINE)
    for column, meanings in columns.items():
        key, names = (
            ("account", "[account_names]") if column == profile.account_column else ("profile", "[profile_names]")
        )
        if column not in frame.columns:
            raise UnreadableUpload(
                f"{file_name}: it has no column {column}", hint=f"correct {key}_column of the profile {profile.name}"
            )
        text = pl.col(column).str.strip_chars()
        named = named.with_columns(
            frame.select(text.replace_strict(meanings, default=None, return_dtype=pl.String) if meanings else text)
            .to_series()
            .alias(column)
        )
        unknown = named.filter(pl.col(column).is_null() | (pl.col(column) == ""))
        if not unknown.is_empty():
            article = "an" if key == "account" else "a"
            raise UnreadableUpload(
                f"{file_name}: {count_of(unknown.height, 'row')} from line {unknown[LINE].min()} on without {article} "
                f"{key} that profile {profile.name} knows",
                hint=f"add the missing texts to {names} of the profile {profile.name}, and take the file again",
            )
    return named.select(LINE, pl.concat_str(list(columns), separator=_MARK_OF_PARTS).alias(_PART))
