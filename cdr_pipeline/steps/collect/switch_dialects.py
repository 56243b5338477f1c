"""Which dialect the switch speaks for an account: compared with every page, and found anew when it has changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cdr_pipeline.core.time.coverage import not_covered
from cdr_pipeline.errors import WindowOutdated
from cdr_pipeline.sources.kazoo.client import KazooClient
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.sources.kazoo.windows import EdgeReach, edge_spans
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Ledger

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A night confirms each account's dialect once, not once a window.
_CONFIRMED_FOR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class AccountDialect:
    """An account's dialect, for people.

    Attributes:
        account_id: account that is collected in it.
        dialect: its name; None until the switch has been asked.
        seen_at: when a page of the switch last agreed with it, UTC.
        configured: it is set by CDR_API_DIALECT, which wins over what was found.
        outdated_days: days that must be read again because the switch was upgraded.
    """

    account_id: str
    dialect: str | None
    seen_at: datetime | None
    configured: bool
    outdated_days: int


def edge_reach(ctx: RunContext) -> EdgeReach:
    """How far windows across a month's edge reach, as configured."""
    settings = ctx.settings
    return EdgeReach(
        longest_call=timedelta(hours=settings.collect_longest_call_hours),
        save_lag=timedelta(hours=settings.collect_overlap_hours),
    )


def known_dialect(account: Account, ctx: RunContext) -> SwitchDialect | None:
    """The dialect that is configured or was found before; None when the switch must be asked."""
    if ctx.settings.api_dialect != "auto":
        return SwitchDialect(ctx.settings.api_dialect)
    return None if account.dialect is None else SwitchDialect(account.dialect)


def find_dialect(account: Account, client: KazooClient, ledger: Ledger, ctx: RunContext) -> SwitchDialect:
    """Asks the switch and remembers what it speaks; marks the windows that were asked for otherwise since it was seen.

    Raises:
        UpstreamError: as any request.
    """
    dialect = client.detect_dialect(account.account_id)
    with ledger.connection.transaction():
        _mark_outdated(account, dialect, ledger, ctx)
        ledger.accounts.record_dialect(account.account_id, dialect.value, now=ctx.clock())
    return dialect


def confirm_dialect(account: Account, dialect: SwitchDialect, ledger: Ledger, ctx: RunContext) -> None:
    """Remembers that pages of the switch agree with the dialect."""
    if ctx.settings.api_dialect != "auto":
        return
    seen, now = account.dialect_seen_at, ctx.clock()
    if seen is None or abs(now - seen) > _CONFIRMED_FOR:
        ledger.accounts.record_dialect(account.account_id, dialect.value, now=now)


def list_dialects(ctx: RunContext, accounts: Sequence[str] | None = None) -> list[AccountDialect]:
    """The dialect of each active account, or of those named.

    Raises:
        AccountNotFound: one of those named is unknown.
    """
    configured = ctx.settings.api_dialect != "auto"
    with ctx.ledger() as ledger:
        return [
            AccountDialect(
                account.account_id,
                ctx.settings.api_dialect if configured else account.dialect,
                account.dialect_seen_at,
                configured,
                len(ledger.windows.outdated_days(account.account_id, WindowOutdated.code)),
            )
            for account in ledger.accounts.active(accounts)
        ]


def reset_dialects(ctx: RunContext, accounts: Sequence[str] | None = None) -> list[str]:
    """Forgets the dialect of active accounts, or of those named: their next collection asks the switch.

    Returns:
        Their ids.

    Raises:
        AccountNotFound: one of those named is unknown.
    """
    with ctx.ledger() as ledger:
        account_ids = [account.account_id for account in ledger.accounts.active(accounts)]
        ledger.accounts.forget_dialects(account_ids)
    return account_ids


def _mark_outdated(account: Account, dialect: SwitchDialect, ledger: Ledger, ctx: RunContext) -> None:
    """Marks the months' edges of days that were read in a dialect of other windows since the switch was last seen.

    Windows that landed before that were read from a switch whose pages agreed with their dialect.
    """
    others = [other.value for other in SwitchDialect if other.hides_month_edges != dialect.hides_month_edges]
    since = account.dialect_seen_at or _NEVER
    for day, windows in ledger.windows.windows_in_dialects(account.account_id, others, since=since).items():
        first, _ = account.zones.bounds(day)
        spans = edge_spans(first, max(ends_at for _, ends_at in windows), dialect, edge_reach(ctx))
        if not spans:
            continue
        recorded = ledger.windows.recorded_windows(account.account_id, day)
        read = [(window.starts_at, window.ends_at) for window in recorded if window.state != "failed"]
        for span in not_covered(spans, read):
            ledger.windows.mark_window_outdated(
                account.account_id,
                day,
                span,
                error_code=WindowOutdated.code,
                error_message=f"read before the switch was seen to speak {dialect}: read again",
                now=ctx.clock(),
            )
