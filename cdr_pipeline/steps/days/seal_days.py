"""Seals days: when nothing more is to be expected of one, its files become final."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, Literal

from cdr_pipeline.errors import DayNotSealable
from cdr_pipeline.exports.daily_file import WrittenFile
from cdr_pipeline.exports.manifest import encode_manifest, utc_text
from cdr_pipeline.steps.days.export_days import record_file, write_version
from cdr_pipeline.steps.days.publish_days import publish_day, publish_pending
from cdr_pipeline.steps.failure import AccountFailure, contained
from cdr_pipeline.steps.operations.clocks import require_clock
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.dropped_files import accounts_with_drops
from cdr_pipeline.warehouse.ledger import Account, DayRecord, Ledger
from cdr_pipeline.warehouse.server.engine import translated

AUTOMATIC: Final = "cdr_pipeline"
# While one waits for the disk, others read and write; a night seals a day of every account.
_WRITERS: Final = 4
_RULE: Final = "grace period over, collected whole, nothing under way"


class Obstacle(StrEnum):
    """What keeps a day from being sealed. A person may override all but the last two, which end by themselves."""

    GRACE = "grace_period"
    INCOMPLETE = "not_collected_whole"
    VOLUME = "volume_suspicious"
    UPLOAD = "upload_waits"
    RECONCILIATION = "reconciliation_red"
    COLLECTING = "being_collected"
    LOADING = "being_loaded"


_PASSING: Final = frozenset({Obstacle.COLLECTING, Obstacle.LOADING})


@dataclass(frozen=True, slots=True)
class Override:
    """A person who answers for sealing a day that the rule would leave open, and why."""

    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class SealRequest:
    """Which days to seal.

    Attributes:
        business_dates: these; every open day whose grace period is over when omitted.
        accounts: whose; all active ones when omitted.
        override: seals them in spite of what is in the way.
    """

    business_dates: Sequence[date] | None = None
    accounts: Sequence[str] | None = None
    override: Override | None = None


@dataclass(frozen=True, slots=True)
class SealedDay:
    """What became of one account's day.

    Attributes:
        account_id, business_date: whose, which.
        outcome: ``sealed`` now; ``already`` sealed before; ``refused``, with what was in the way; ``failed``.
        obstacles: what was in the way; of a sealed day, what was overridden.
        files: the sealed files.
        failure: what went wrong, if anything.
    """

    account_id: str
    business_date: date
    outcome: Literal["sealed", "already", "refused", "failed"]
    obstacles: tuple[Obstacle, ...] = ()
    files: tuple[WrittenFile, ...] = ()
    failure: AccountFailure | None = None


def seal_days(request: SealRequest, ctx: RunContext) -> list[SealedDay]:
    """Seals what can be sealed, each day in a transaction of its own; one day's failure leaves the others alone.

    The ledger learns of a seal before its manifests say so: whatever dies in between is announced by the next call,
    and a manifest that says sealed is never taken back. Running it twice seals nothing twice.

    Returns:
        Days that were sealed earlier and still cannot be announced come first, as failed; then the days asked for.

    Raises:
        AccountNotFound: an account asked for is unknown.
        DayNotSealable: an override without a name or a reason.
        ClockDisagrees: this machine's clock is not the warehouse's or the switch's; nothing was sealed.
    """
    if request.override is not None and not (request.override.actor.strip() and request.override.reason.strip()):
        raise DayNotSealable("an override needs the name of who answers for it, and a reason")
    with ctx.ledger() as ledger:
        require_clock(ledger, ctx, ask_switch=True)
        accounts = {account.account_id: account for account in ledger.accounts.active(request.accounts)}
        unpublished = [
            SealedDay(day.account_id, day.business_date, "failed", failure=day.failure)
            for day in publish_pending(list(accounts), ledger, ctx)
        ]
        asked = [(accounts[account_id], day) for account_id, day in _asked(request, accounts, ledger, ctx)]
        dropped = accounts_with_drops(list(accounts), ledger, ctx)
    writers = min(_WRITERS, len(asked)) or 1
    with ThreadPoolExecutor(writers, thread_name_prefix="seal_days") as pool:
        shares = list(pool.map(lambda first: _seal_share(asked[first::writers], request, dropped, ctx), range(writers)))
    return unpublished + [shares[number % writers][number // writers] for number in range(len(asked))]


def _seal_share(
    days: Sequence[tuple[Account, date]], request: SealRequest, dropped: Collection[str], ctx: RunContext
) -> list[SealedDay]:
    """One writer's part, over a connection of its own."""
    with ctx.ledger() as ledger:
        return [
            _seal_day(account, day, request.override, ledger, ctx, dropped=account.account_id in dropped)
            for account, day in days
        ]


def _asked(
    request: SealRequest, accounts: dict[str, Account], ledger: Ledger, ctx: RunContext
) -> list[tuple[str, date]]:
    if request.business_dates is not None:
        return [(account_id, day) for day in request.business_dates for account_id in accounts]
    due = ledger.day_states.in_state(list(accounts), "open")
    return [(account_id, day) for account_id, day in due if not _in_grace(accounts[account_id], day, ctx)]


def _seal_day(
    account: Account, business_date: date, override: Override | None, ledger: Ledger, ctx: RunContext, *, dropped: bool
) -> SealedDay:
    day = SealedDay(account.account_id, business_date, "refused")
    try:
        with translated(), ledger.day_states.lock(account.account_id, business_date) as quiet:
            known = ledger.days.find(account.account_id, business_date)
            if known.state != "open":
                return replace(day, outcome="already")
            found = _obstacles(account, business_date, known, ledger, ctx, dropped=dropped)
            obstacles = (*found, *(() if quiet else (Obstacle.LOADING,)))
            if obstacles and (override is None or _PASSING & set(obstacles)):
                return replace(day, obstacles=obstacles)
            files = _seal(account, business_date, known, obstacles=obstacles, override=override, ledger=ledger, ctx=ctx)
        publish_day(account.account_id, business_date, known.version, ledger, ctx)
    except Exception as error:  # noqa: BLE001 - one day's failure is that day's
        return replace(day, outcome="failed", failure=contained(account.account_id, f"day {business_date}", error))
    ctx.progress(f"sealed {account.account_id} {business_date}")
    return replace(day, outcome="sealed", obstacles=obstacles, files=tuple(files))


def _seal(
    account: Account,
    business_date: date,
    known: DayRecord,
    *,
    obstacles: Sequence[Obstacle],
    override: Override | None,
    ledger: Ledger,
    ctx: RunContext,
) -> list[WrittenFile]:
    """Writes the files once more, for the last time, and tells the ledger what they are."""
    written = write_version(account, business_date, known, ledger, ctx, version=known.version)
    sealed = [
        replace(file, manifest=replace(file.manifest, state="sealed", created_utc=utc_text(ctx.clock())))
        for file in written
    ]
    for file in sealed:
        record_file(file, ledger, ctx, manifest=encode_manifest(file.manifest).decode())
    ledger.day_states.record_final(
        account_id=account.account_id,
        business_date=business_date,
        event="sealed",
        version=known.version,
        changes=known.changes,
        actor=override.actor if override else AUTOMATIC,
        reason=override.reason if override else _RULE,
        overridden=obstacles,
        before_sha256=None,
        after_sha256=sealed[0].manifest.content_sha256,
        now=ctx.clock(),
        run_id=ctx.run_id,
    )
    return sealed


def _obstacles(
    account: Account, business_date: date, known: DayRecord, ledger: Ledger, ctx: RunContext, *, dropped: bool
) -> list[Obstacle]:
    """What is in the way, in the order in which a person would look; ``dropped``: a file lies in the drop folder."""
    found = ledger.day_states.obstacles(account.account_id, business_date)
    reconciled = ledger.reconciliations.of_day(account.account_id, business_date)
    in_the_way = {
        Obstacle.GRACE: _in_grace(account, business_date, ctx),
        Obstacle.INCOMPLETE: known.complete_through is None or found.open_windows > 0,
        Obstacle.VOLUME: known.volume in ("thin", "empty"),
        Obstacle.UPLOAD: dropped or found.waiting_uploads > 0,
        Obstacle.RECONCILIATION: reconciled.status == "red",
        Obstacle.COLLECTING: found.collecting > 0,
    }
    return [obstacle for obstacle, there in in_the_way.items() if there]


def _in_grace(account: Account, business_date: date, ctx: RunContext) -> bool:
    _, end = account.zones.bounds(business_date)
    return ctx.clock() < end + timedelta(days=ctx.settings.seal_after_days)
