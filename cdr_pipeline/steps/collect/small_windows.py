"""Reads the landed windows of several small accounts in one frame.

An account with a few hundred records takes longer to prepare than its rows take. Accounts of the same time zone and
number plan are normalised, validated and digested together; each is still merged in its own transaction.
"""

import logging
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE, CheckedRows
from cdr_pipeline.core.records.identity import with_digests
from cdr_pipeline.core.records.validate import validate
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.landing import LandingDamaged, LandingFile
from cdr_pipeline.sources.upstream import RecordOwner, SmallWindow
from cdr_pipeline.sources.upstream_registry import upstream_named

_log = logging.getLogger(__name__)

# List rows of the windows of one frame, and of the largest window that shares one.
_MOST_ROWS: Final = 10_000
_SMALL_ROWS: Final = 3_000
# Rows that are in memory together, waiting to be merged; further windows are read alone.
_MOST_WAITING: Final = 60_000


@dataclass(frozen=True, slots=True)
class ReadWindow:
    """Rows of a window that was read with others.

    Attributes:
        owner: owner whose time zone and number plan they were read with.
        landing: landing file.
        checked: valid rows with digests, and rejected ones.
    """

    owner: RecordOwner
    landing: LandingFile
    checked: CheckedRows


def read_small_windows(
    windows: Sequence[tuple[Path, RecordOwner]], settings: Settings, *, latest: datetime
) -> Mapping[Path, ReadWindow]:
    """Reads the small windows among landed ones together, without the warehouse.

    Args:
        windows: landing file and owner of each window.
        settings: settings of the installation.
        latest: latest permitted start of a call, UTC.

    Returns:
        The windows that were read, by landing file. The others are large, alone, have detail documents or a fault; the
        caller reads each of them alone, which names its fault.
    """
    read: dict[Path, ReadWindow] = {}
    for upstream, group in _groups(windows):
        try:
            read |= _read(upstream, group, settings, latest=latest)
        except Exception as error:  # noqa: BLE001 - the caller reads these windows one by one and reports the fault
            _log.warning("%d small windows are read one by one: %s", len(group), type(error).__name__)
    return read


def _groups(windows: Sequence[tuple[Path, RecordOwner]]) -> Iterator[tuple[str, list[tuple[LandingFile, RecordOwner]]]]:
    """Windows to read in one frame, with the name of their upstream."""
    alike: dict[tuple[str, RecordOwner], list[tuple[LandingFile, RecordOwner]]] = {}
    waiting = 0
    for path, owner in windows:
        try:
            landing = LandingFile.open(path)
        except LandingDamaged:
            continue
        if landing.rows > min(_SMALL_ROWS, _MOST_WAITING - waiting):
            continue
        if landing.only_pages:
            waiting += landing.rows
            alike.setdefault((landing.upstream, replace(owner, account_id="")), []).append((landing, owner))
    for (upstream, _), members in alike.items():
        group: list[tuple[LandingFile, RecordOwner]] = []
        rows = 0
        for landing, owner in members:
            if group and rows + landing.rows > _MOST_ROWS:
                yield upstream, group
                group, rows = [], 0
            group.append((landing, owner))
            rows += landing.rows
        if len(group) > 1:
            yield upstream, group


def _read(
    upstream: str, group: Sequence[tuple[LandingFile, RecordOwner]], settings: Settings, *, latest: datetime
) -> dict[Path, ReadWindow]:
    windows = [SmallWindow(owner.account_id, landing.replies(), landing.rows) for landing, owner in group]
    normalized = upstream_named(upstream, settings).normalized_together(windows, group[0][1])
    accepted = validate(normalized.rows, latest=latest)
    rows = with_digests(accepted.rows)
    rejects = pl.concat([normalized.rejects, accepted.rejects])
    lines = rows[LINE].to_list()
    read: dict[Path, ReadWindow] = {}
    before = 0
    for landing, owner in group:
        last = before + landing.rows
        first_row, end_row = bisect_right(lines, before), bisect_right(lines, last)
        own = CheckedRows(
            rows.slice(first_row, end_row - first_row),
            rejects.filter(pl.col(LINE).is_between(before + 1, last)) if rejects.height else rejects,
        )
        if before:
            own = CheckedRows(*(frame.with_columns(pl.col(LINE) - before) for frame in (own.rows, own.rejects)))
        read[landing.path] = ReadWindow(owner, landing, own)
        before = last
    return read
