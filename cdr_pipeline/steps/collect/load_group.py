"""Loads windows of several accounts together: those that have nothing new, and small ones that were read together.

A night of many small accounts takes most of its time per account, not per row. Accounts of a group share a transaction
and its statements. A window that cannot be loaded this way, or fails, is loaded alone, which names its fault.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from cdr_pipeline.core.records.accounting import BatchCounts
from cdr_pipeline.errors import CdrError
from cdr_pipeline.sources.landing import LandingDamaged, LandingFile
from cdr_pipeline.steps.collect.small_windows import ReadWindow
from cdr_pipeline.steps.collect.window_rules import header_of, owner_of, rules_of
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, LandedWindow, Ledger
from cdr_pipeline.warehouse.records.batch import LoadedBatch
from cdr_pipeline.warehouse.records.group_loading import AccountGroup, LandedAgain, SmallBatch
from cdr_pipeline.warehouse.records.loading import retried_load

_log = logging.getLogger(__name__)

# Rows of a group: its accounts are locked until all of them are stored.
_MOST_ROWS: Final = 10_000

LoadedWindow = tuple[LoadedBatch, Counter[str]]
"""Result of a window, with its rejected rows by reason."""


@dataclass(slots=True)
class AccountWindows:
    """Windows of an account that are to be loaded, by business date, and what has been loaded of them so far."""

    account: Account
    pending: dict[date, deque[LandedWindow]]
    counts: BatchCounts = field(default_factory=BatchCounts)
    reasons: Counter[str] = field(default_factory=Counter[str])
    touched: frozenset[date] = frozenset()
    failure: AccountFailure | None = None

    def next(self) -> tuple[date, LandedWindow] | None:
        """The next window to load, with its business date."""
        return next(((day, windows[0]) for day, windows in self.pending.items() if windows), None)

    def load(self, one: Callable[[date, LandedWindow], LoadedWindow]) -> None:
        """Loads windows in order. A failed window ends its day."""
        for day, windows in self.pending.items():
            while windows:
                try:
                    done = retried_load(one, day, windows[0])
                except CdrError as error:
                    self.failure = self.failure or AccountFailure.of(self.account.account_id, error)
                    windows.clear()
                except Exception as error:  # noqa: BLE001 - one account's failure must not stop the others
                    place = f"window {windows[0].landing_path}"
                    self.failure = AccountFailure.of_fault(self.account.account_id, place, error)
                    windows.clear()
                else:
                    self.record(day, done)

    def record(self, day: date, done: LoadedWindow) -> None:
        """Adds the result of the next window, which is one of a day."""
        loaded, rejected = done
        self.pending[day].popleft()
        self.counts += loaded.counts
        self.reasons.update(rejected)
        self.touched |= loaded.touched


@dataclass(frozen=True, slots=True)
class _Due:
    """The next window of an account, with its landing file."""

    account: AccountWindows
    day: date
    window: LandedWindow
    landing: LandingFile

    @property
    def account_id(self) -> str:
        return self.account.account.account_id


_LoadGroup = Callable[[AccountGroup, Mapping[str, Account], Mapping[str, frozenset[date]]], Mapping[str, LoadedBatch]]
"""Loads windows of a group, given its accounts as they are now and their removed months; returns what it has loaded."""


def load_unchanged_together(accounts: Sequence[AccountWindows], ledger: Ledger, ctx: RunContext) -> None:
    """Records windows that landed with the rows of their last load, without reading them.

    Args:
        accounts: windows to load; those that are recorded are taken out.
        ledger: ledger of the warehouse.
        ctx: settings, warehouse, clock and progress callback.
    """
    waiting = accounts if ledger.records.groups else ()
    while windows := [due for due in _due(waiting, ctx) if due.window.loaded_before and due.landing.only_pages]:

        def record(
            group: AccountGroup, owners: Mapping[str, Account], removed: Mapping[str, frozenset[date]]
        ) -> Mapping[str, LoadedBatch]:
            return group.record_unchanged(
                [
                    LandedAgain(
                        header_of(owners[due.account_id], due.day, due.window, ctx),
                        due.window.starts_at,
                        due.window.ends_at,
                        _rules(due, owners, removed, ctx),
                    )
                    for due in windows
                ]
            )

        waiting = _load_group(windows, record, ledger)


def load_read_together(
    accounts: Sequence[AccountWindows], read: Mapping[Path, ReadWindow], ledger: Ledger, ctx: RunContext
) -> None:
    """Merges windows that were read together and have no rejected rows.

    Args:
        accounts: windows to load; those that are merged are taken out.
        read: rows of small windows by landing file.
        ledger: ledger of the warehouse.
        ctx: settings, warehouse, clock and progress callback.
    """
    waiting = accounts if ledger.records.groups else ()
    while waiting:
        merged: list[AccountWindows] = []
        for windows in _of_few_rows([due for due in _due(waiting, ctx) if _is_valid(read.get(due.landing.path))]):

            def merge(
                group: AccountGroup, owners: Mapping[str, Account], removed: Mapping[str, frozenset[date]]
            ) -> Mapping[str, LoadedBatch]:
                return group.merge(
                    [
                        SmallBatch(
                            header_of(owners[due.account_id], due.day, due.window, ctx),
                            due.landing.rows,
                            read[due.landing.path].checked.rows,
                            _rules(due, owners, removed, ctx),
                        )
                        for due in windows  # noqa: B023 - called before the next windows
                        if due.account_id not in removed
                        and read[due.landing.path].owner == owner_of(owners[due.account_id], ctx)
                    ]
                )

            merged += _load_group(windows, merge, ledger)
        waiting = merged


def _due(accounts: Sequence[AccountWindows], ctx: RunContext) -> Iterator[_Due]:
    """The next window of each account; one whose landing file cannot be read is left out."""
    for account in accounts:
        found = account.next()
        if found is None:
            continue
        day, window = found
        try:
            yield _Due(account, day, window, LandingFile.open(ctx.settings.landing_dir / window.landing_path))
        except LandingDamaged:
            continue


def _load_group(windows: Sequence[_Due], load: _LoadGroup, ledger: Ledger) -> list[AccountWindows]:
    """Loads windows in one transaction; returns the accounts of those that were loaded, for their next windows."""
    ids = [due.account_id for due in windows]
    try:
        with ledger.records.group(ids) as group:
            # The accounts are locked, so their time zones and number plans cannot change before the batches are stored.
            now = {account.account_id: account for account in ledger.accounts.find_accounts(ids)}
            owners = {due.account_id: now.get(due.account_id, due.account.account) for due in windows}
            loaded = load(group, owners, group.removed_months())
    except Exception as error:  # noqa: BLE001 - the caller loads these windows one by one and reports the fault
        _log.warning("windows of %d accounts are loaded one by one: %s", len(ids), type(error).__name__)
        return []
    done = [due for due in windows if due.account_id in loaded]
    for due in done:
        due.account.record(due.day, (loaded[due.account_id], Counter()))
    return [due.account for due in done]


def _rules(due: _Due, owners: Mapping[str, Account], removed: Mapping[str, frozenset[date]], ctx: RunContext) -> str:
    months = removed.get(due.account_id, frozenset())
    return rules_of(owners[due.account_id], due.landing.upstream, due.window.dialect, months, ctx)


def _is_valid(window: ReadWindow | None) -> bool:
    return window is not None and window.checked.rejects.is_empty()


def _of_few_rows(windows: Sequence[_Due]) -> Iterator[list[_Due]]:
    """Windows of one transaction."""
    group: list[_Due] = []
    for due in windows:
        if group and sum(member.landing.rows for member in group) + due.landing.rows > _MOST_ROWS:
            yield group
            group = []
        group.append(due)
    if group:
        yield group
