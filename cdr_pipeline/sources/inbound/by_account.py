"""Splits a file with records of several accounts: one file for each account that the profile's account_column names."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, RAW
from cdr_pipeline.core.records.reasons import Filtered
from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.errors import InboundFileRefused
from cdr_pipeline.errors.counts import count_of
from cdr_pipeline.sources.uploads.documents import json_lines
from cdr_pipeline.sources.uploads.lines import line_blocks
from cdr_pipeline.sources.uploads.opening import text_pieces
from cdr_pipeline.sources.uploads.records import LineRecords, RawRecords

_ACCOUNT: Final = "__account"
_HINT: Final = "add the missing texts to [account_names] of the profile; the next run fetches the file again"
# A byte order mark marks the text as UTF-8, also where the source has another encoding.
_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class AccountPart:
    """Part of a file with the records of one account, under the file's own name in a folder of its own."""

    account_id: str
    path: Path


def split_by_account(path: Path, profile: Profile) -> list[AccountPart]:
    """Writes one file for each account next to the file. Headers and other lines without records are in each part.

    An unreadable line is in the first part, where the import rejects it.

    Raises:
        InboundFileRefused: a row names no known account, or the profile's files cannot be split.
        UnreadableUpload: the file cannot be decoded, or its header cannot be read.
    """
    _require_splittable(profile, path.name)
    accounts = _accounts(path, profile)
    parts = {
        account: AccountPart(account, path.parent / f"part{number}" / path.name)
        for number, account in enumerate(accounts)
    }
    for part in parts.values():
        part.path.parent.mkdir(exist_ok=True)
        part.path.write_bytes(_MARK)
    first = accounts[0] if accounts else ""
    for lines, named in _named_lines(path, profile):
        owned = lines.join(named, on=LINE, how="left", maintain_order="left")
        for account, part in parts.items():
            own = owned.filter(
                (pl.col(_ACCOUNT) == account) | pl.col(_ACCOUNT).is_null() & (pl.col("shared") | (account == first))
            )
            with part.path.open("ab") as writing:
                writing.write("".join(f"{raw}\n" for raw in own[RAW]).encode())
    return list(parts.values())


def _require_splittable(profile: Profile, name: str) -> None:
    faults = {
        f"profile {profile.name} has no account_column": not profile.account_column,
        f"files of profile {profile.name} are XML, which cannot be split": profile.layout.format == "xml",
        f"profile {profile.name} compares totals of whole files": bool(profile.control.line),
    }
    for fault, applies in faults.items():
        if applies:
            raise InboundFileRefused(
                f"{name}: {fault}", hint='name one account in inbound.toml instead of account = "column"'
            )


def _accounts(path: Path, profile: Profile) -> list[str]:
    accounts: dict[str, None] = {}
    for _, named in _named_lines(path, profile):
        accounts |= dict.fromkeys(named[_ACCOUNT].drop_nulls().unique(maintain_order=True))
    return list(accounts)


def _blocks(path: Path, profile: Profile) -> Iterator[tuple[pl.DataFrame, RawRecords]]:
    """Lines of the file, block by block, with the records on them. A list of JSON becomes one document a line."""
    layout = profile.layout
    if layout.format == "json":
        yield from json_lines(lambda: text_pieces(path, layout.encoding), layout, profile.columns)
        return
    reader = LineRecords(layout)
    for lines in line_blocks(text_pieces(path, layout.encoding), layout):
        yield lines, reader.block(lines)


def _named_lines(path: Path, profile: Profile) -> "list[tuple[pl.DataFrame, pl.DataFrame]]":
    """Blocks of lines, each with the accounts of its lines: ``line``, account (null if none), ``shared`` by all."""
    blocks: list[tuple[pl.DataFrame, pl.DataFrame]] = []
    names = profile.account_names
    for lines, records in _blocks(path, profile):
        frame = records.frame
        if profile.account_column not in frame.columns and not frame.is_empty():
            raise InboundFileRefused(
                f"{path.name}: it has no column {profile.account_column}",
                hint="correct account_column of the profile, or name one account in inbound.toml",
            )
        if frame.is_empty():
            owners = pl.DataFrame(schema={LINE: pl.Int64, _ACCOUNT: pl.String})
        else:
            text = pl.col(profile.account_column).str.strip_chars()
            owners = frame.select(LINE, text.replace_strict(names, default=None) if names else text)
            owners = owners.rename({owners.columns[1]: _ACCOUNT})
        unknown = owners.filter(pl.col(_ACCOUNT).is_null() | (pl.col(_ACCOUNT) == ""))
        if not unknown.is_empty():
            raise InboundFileRefused(
                f"{path.name}: {count_of(unknown.height, 'row')} from line {unknown[LINE].min()} on without an account "
                f"that profile {profile.name} knows",
                hint=_HINT,
            )
        shared = records.aside.filter(pl.col("kind") != Filtered.BLANK.value)[LINE]
        everything = lines.select(LINE).join(owners, on=LINE, how="left", maintain_order="left")
        blocks.append((lines, everything.with_columns(pl.col(LINE).is_in(shared.implode()).alias("shared"))))
    return blocks
