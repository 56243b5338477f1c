"""What the load of a landed window depends on besides its rows."""

import hashlib
from collections.abc import Collection
from dataclasses import asdict
from datetime import date
from uuid import uuid4

import orjson

from cdr_pipeline import __version__
from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.upstream import RecordOwner
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, LandedWindow
from cdr_pipeline.warehouse.records.batch import BatchHeader


def header_of(account: Account, business_date: date, window: LandedWindow, ctx: RunContext) -> BatchHeader:
    """Header of a new batch of a window."""
    now = ctx.clock()
    return BatchHeader(account.account_id, uuid4(), "window", window.landing_path, now, business_date, ctx.run_id)


def rules_of(owner: Account, upstream: str, dialect: str, removed: Collection[date], ctx: RunContext) -> str:
    """Hash of everything besides the rows on which the load of a window depends.

    Args:
        owner: account, as it is while its lock is held.
        upstream: name of the upstream of the landed pages.
        dialect: API dialect of the landed pages.
        removed: first days of the account's removed months.
        ctx: settings of the run.
    """
    content = [
        __version__,
        upstream,
        dialect,
        [owner.time_zone, *map(asdict, owner.earlier_zones)],
        asdict(switch_plan(ctx.settings, owner)),
        sorted(removed),
    ]
    return hashlib.sha256(orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS)).hexdigest()


def owner_of(account: Account, ctx: RunContext) -> RecordOwner:
    """Values of an account with which its rows are read."""
    return RecordOwner(account.account_id, account.time_zone, switch_plan(ctx.settings, account), account.earlier_zones)


def switch_plan(settings: Settings, account: Account) -> NumberPlan:
    """Number plan that the switch uses for an account."""
    return NumberPlan(
        country_code=account.country_code,
        national_prefix=settings.api_national_prefix,
        international_prefix=f"(?:0{{2,3}}|{settings.api_international_prefix})",
        tech_prefix=settings.api_tech_prefix,
    )
