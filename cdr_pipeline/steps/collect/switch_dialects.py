"""Dialect of the switch for each account: detected, checked against every page, and detected again after a change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cdr_pipeline.core.time.coverage import not_covered
from cdr_pipeline.errors import WindowOutdated
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.upstream import UpstreamClient
from cdr_pipeline.sources.upstream_registry import upstream_of
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Ledger

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A night confirms each account's dialect once, not once a window.
_CONFIRMED_FOR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class AccountDialect:
    """An account's dialect, as shown by the CLI.

    Attributes:
        account_id: account that is collected in this dialect.
        dialect: name of the dialect; None until it is detected.
        seen_at: time when a page of the switch last matched it, UTC.
        configured: whether it is set by CDR_API_DIALECT, which takes precedence over detection.
        outdated_days: number of days to read again because the switch was upgraded.
    """

    account_id: str
    dialect: str | None
    seen_at: datetime | None
    configured: bool
    outdated_days: int


def require_upstream(settings: Settings) -> None:
    """Checks the settings that select the upstream and its dialect.

    Raises:
        ConfigurationError: the upstream is unknown, or does not have the dialect.
    """
    upstream_of(settings)


def known_dialect(account: Account, ctx: RunContext) -> str | None:
    """The configured dialect, or the one detected before; None when it must be detected.

    A stored dialect of another kind of upstream is ignored.
    """
    upstream = upstream_of(ctx.settings)
    if ctx.settings.api_dialect != "auto":
        return ctx.settings.api_dialect
    return account.dialect if account.dialect in upstream.dialects else None


def find_dialect(account: Account, client: UpstreamClient, ledger: Ledger, ctx: RunContext) -> str:
    """Detects the dialect of the switch and stores it. Marks windows that were read in another dialect as outdated.

    Raises:
        UpstreamError: the request to the switch failed.
    """
    dialect = client.detect_dialect(account.account_id)
    with ledger.transaction():
        _mark_outdated(account, dialect, ledger, ctx)
        ledger.accounts.record_dialect(account.account_id, dialect, now=ctx.clock())
    return dialect


def confirm_dialect(account: Account, dialect: str, ledger: Ledger, ctx: RunContext) -> None:
    """Records that pages of the switch match the dialect."""
    if ctx.settings.api_dialect != "auto":
        return
    seen, now = account.dialect_seen_at, ctx.clock()
    if seen is None or abs(now - seen) > _CONFIRMED_FOR:
        ledger.accounts.record_dialect(account.account_id, dialect, now=now)


def list_dialects(ctx: RunContext, accounts: Sequence[str] | None = None) -> list[AccountDialect]:
    """The dialect of each active account, or of the given accounts.

    Raises:
        AccountNotFound: a given account is not registered.
    """
    configured = ctx.settings.api_dialect != "auto"
    with ctx.ledger() as ledger:
        active = ledger.accounts.active(accounts)
        outdated = ledger.windows.outdated_days([account.account_id for account in active], WindowOutdated.code)
    return [
        AccountDialect(
            account.account_id,
            ctx.settings.api_dialect if configured else account.dialect,
            account.dialect_seen_at,
            configured,
            len(outdated.get(account.account_id, ())),
        )
        for account in active
    ]


def reset_dialects(ctx: RunContext, accounts: Sequence[str] | None = None) -> list[str]:
    """Deletes the stored dialect of all active accounts, or of the given ones. Their next collection detects it again.

    Returns:
        Ids of these accounts.

    Raises:
        AccountNotFound: a given account is not registered.
    """
    with ctx.ledger() as ledger:
        account_ids = [account.account_id for account in ledger.accounts.active(accounts)]
        ledger.accounts.forget_dialects(account_ids)
    return account_ids


def _mark_outdated(account: Account, dialect: str, ledger: Ledger, ctx: RunContext) -> None:
    """Marks spans as outdated that windows in another dialect may have missed since the last confirmation.

    Earlier windows were read from a switch whose pages matched their dialect.
    """
    upstream = upstream_of(ctx.settings)
    others = list(upstream.dialects_unlike(dialect))
    since = account.dialect_seen_at or _NEVER
    for day, windows in ledger.windows.windows_in_dialects(account.account_id, others, since=since).items():
        first, _ = account.zones.bounds(day)
        spans = upstream.needed_spans(first, max(ends_at for _, ends_at in windows), dialect)
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
