"""When a day can be sealed, and what the seal states."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from cdr_pipeline.exports.daily_file import WrittenFile
from cdr_pipeline.exports.manifest import utc_text
from cdr_pipeline.steps.failure import AccountFailure
from cdr_pipeline.steps.inbound.expected_files import days_awaited
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.dropped_files import accounts_with_drops
from cdr_pipeline.warehouse.ledger import Account, DayEvent, DayObstacles, DayRecord, Ledger
from cdr_pipeline.warehouse.reconciliation.reconciliations import DayReconciliation

AUTOMATIC: Final = "cdr_pipeline"
_RULE: Final = "grace period over, collected whole, nothing under way"


class Obstacle(StrEnum):
    """Reasons that block sealing. An operator may override all but the last two, which end by themselves."""

    GRACE = "grace_period"
    INCOMPLETE = "not_collected_whole"
    VOLUME = "volume_suspicious"
    UPLOAD = "upload_waits"
    EXPECTED = "file_expected"
    RECONCILIATION = "reconciliation_red"
    COLLECTING = "being_collected"
    LOADING = "being_loaded"


_PASSING: Final = frozenset({Obstacle.COLLECTING, Obstacle.LOADING})


@dataclass(frozen=True, slots=True)
class WaitingFiles:
    """Files outside the warehouse: accounts with files in the drop folder; accounts and days that expect a file."""

    dropped: frozenset[str]
    awaited: frozenset[tuple[str, date]]

    @classmethod
    def of(cls, accounts: Sequence[str], days: Collection[date], ledger: Ledger, ctx: RunContext) -> "WaitingFiles":
        """What waits for some accounts and days."""
        return cls(accounts_with_drops(accounts, ledger, ctx), days_awaited(accounts, days, ctx))


@dataclass(frozen=True, slots=True)
class Override:
    """Person responsible for sealing a day that the rule would leave open, and the reason."""

    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class SealedDay:
    """Result for one account's day.

    Attributes:
        account_id, business_date: account and day.
        outcome: ``sealed``; ``already`` sealed before; ``refused`` because of ``obstacles``; ``failed``.
        obstacles: obstacles that block sealing; for a sealed day, those that were overridden.
        files: the sealed files.
        failure: cause of a failure; None on success.
    """

    account_id: str
    business_date: date
    outcome: Literal["sealed", "already", "refused", "failed"]
    obstacles: tuple[Obstacle, ...] = ()
    files: tuple[WrittenFile, ...] = ()
    failure: AccountFailure | None = None


def refuses(obstacles: Sequence[Obstacle], override: Override | None) -> bool:
    """Whether obstacles block sealing in spite of an override."""
    return bool(obstacles) and (override is None or bool(_PASSING & set(obstacles)))


def final_files(written: Sequence[WrittenFile], ctx: RunContext) -> list[WrittenFile]:
    """Files of an open day with the manifests of the sealed day."""
    now = utc_text(ctx.clock())
    return [replace(file, manifest=replace(file.manifest, state="sealed", created_utc=now)) for file in written]


def seal_event(
    record: DayRecord,
    sealed: Sequence[WrittenFile],
    obstacles: Sequence[Obstacle],
    override: Override | None,
    ctx: RunContext,
) -> DayEvent:
    """The seal of a day, for its history.

    Args:
        record: ledger entry of the day.
        sealed: files of the day, the exact one first.
        obstacles: obstacles that the override passes over.
        override: person responsible and reason; None if the rule seals the day.
        ctx: clock and run.
    """
    return DayEvent(
        event="sealed",
        version=record.version,
        actor=override.actor if override else AUTOMATIC,
        reason=override.reason if override else _RULE,
        overridden=list(obstacles),
        before_sha256=None,
        after_sha256=sealed[0].manifest.content_sha256,
        happened_at=ctx.clock(),
        run_id=ctx.run_id,
    )


def obstacles_of(
    account: Account,
    business_date: date,
    record: DayRecord,
    counts: DayObstacles,
    *,
    waiting: WaitingFiles,
    reconciled: DayReconciliation,
    ctx: RunContext,
) -> list[Obstacle]:
    """Obstacles of a day in the order of ``Obstacle``, but for running loads.

    Args:
        account: account that owns the records.
        business_date: the day.
        record: ledger entry of the day.
        counts: unfinished work that may still change the day.
        waiting: files outside the warehouse.
        reconciled: verdict of the day's reconciliation.
        ctx: settings and clock.
    """
    checks = {
        Obstacle.GRACE: in_grace(account, business_date, ctx),
        Obstacle.INCOMPLETE: record.complete_through is None or counts.open_windows > 0,
        Obstacle.VOLUME: record.volume in ("thin", "empty"),
        Obstacle.UPLOAD: account.account_id in waiting.dropped or counts.waiting_uploads > 0,
        Obstacle.EXPECTED: (account.account_id, business_date) in waiting.awaited,
        Obstacle.RECONCILIATION: reconciled.status == "red",
        Obstacle.COLLECTING: counts.collecting > 0,
    }
    return [obstacle for obstacle, blocks in checks.items() if blocks]


def grace_end(account: Account, business_date: date, ctx: RunContext) -> datetime:
    """Instant until which a day stays open for late records."""
    _, end = account.zones.bounds(business_date)
    return end + timedelta(days=ctx.settings.seal_after_days)


def in_grace(account: Account, business_date: date, ctx: RunContext) -> bool:
    """Whether a day stays open for late records."""
    return ctx.clock() < grace_end(account, business_date, ctx)
