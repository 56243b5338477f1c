"""Figures of the installation for monitoring: nights, breaks, waiting work, ages, disks. They name no account."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, get_args

from cdr_pipeline.steps.accounts.webhooks import WebhookState, state_of, waiting_changes
from cdr_pipeline.steps.operations.disk import disk_forecasts
from cdr_pipeline.steps.operations.due_nights import due_nights, last_due_date
from cdr_pipeline.steps.operations.health import find_problems
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger

_LOOKED_AT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Figure:
    """One gauge.

    Attributes:
        name: name of the metric, with its unit.
        text: what it counts.
        values: values by label; the only label is "" for a gauge without labels.
        label: name of the label; "" for none.
    """

    name: str
    text: str
    values: dict[str, float]
    label: str = ""


def figures(ctx: RunContext) -> list[Figure]:
    """All figures as of now. Codes of problems, channels and disks are the only labels.

    Raises:
        WarehouseError: the warehouse cannot be used.
    """
    with ctx.ledger() as ledger:
        return [
            *_nights(ledger, ctx),
            *_problems(ctx),
            *_work(ledger, ctx),
            *_webhooks(ledger, ctx),
            *_disks(ledger, ctx),
        ]


def _nights(ledger: Ledger, ctx: RunContext) -> Iterator[Figure]:
    nights = due_nights(ctx)
    waiting = {account_id for night in nights for account_id in (*night.accounts, *night.hopeless)}
    active = ledger.accounts.active()
    yield _one("cdr_accounts", "accounts that nights collect", len(active))
    yield _one("cdr_accounts_not_collected", "accounts with a day that is due and not collected whole", len(waiting))
    yield _one("cdr_nights_due", "business dates that are due and not collected whole", len(nights))
    newest = _newest_complete(last_due_date(ctx.settings, ctx.clock()), {night.business_date for night in nights})
    if active and newest >= date.fromisoformat(ctx.settings.first_date):
        midnight = datetime.combine(newest, time(), tzinfo=UTC)
        yield _one(
            "cdr_newest_complete_night_timestamp_seconds",
            "newest business date that is due and collected whole, as its midnight in UTC",
            midnight.timestamp(),
        )


def _newest_complete(last_due: date, incomplete: set[date]) -> date:
    while last_due in incomplete:
        last_due -= timedelta(days=1)
    return last_due


def _problems(ctx: RunContext) -> Iterator[Figure]:
    problems = find_problems(ctx)
    by_code: dict[str, float] = {}
    for problem in problems:
        by_code[problem.code] = by_code.get(problem.code, 0) + 1
    yield Figure("cdr_problems", "problems that doctor lists, by code", by_code, "code")
    ages = [_age(problem.since, ctx) for problem in problems]
    yield _one("cdr_oldest_problem_age_seconds", "age of the oldest problem", max(ages, default=0.0))


def _work(ledger: Ledger, ctx: RunContext) -> Iterator[Figure]:
    accounts = [account.account_id for account in ledger.accounts.active()]
    days = ledger.health.open_exposure(accounts, first_date=(ctx.clock() - _LOOKED_AT).date())
    yield _one("cdr_open_breaks", "undecided breaks of the last seven days", sum(day.breaks for day in days))
    yield _one("cdr_red_reconciliations", "red reconciliations of the last seven days", sum(day.red for day in days))
    uploads = ledger.health.stuck_uploads(accounts)
    yield _one("cdr_waiting_uploads", "imported files that are held or could not be read", len(uploads))
    yield _one(
        "cdr_oldest_waiting_upload_age_seconds",
        "age of the oldest of these files",
        _oldest([upload.since for upload in uploads], ctx),
    )
    rejects = ledger.health.open_rejects(accounts, since=ctx.clock() - _LOOKED_AT)
    yield _one("cdr_open_rejected_rows", "rejected rows of the last seven days that are open",
               sum(item.row_count for item in rejects))  # fmt: skip
    deliveries = ledger.deliveries.list_all(accounts, ["pending", "refused"])
    yield _one("cdr_due_deliveries", "files that have not arrived at a target", len(deliveries))
    yield _one(
        "cdr_oldest_due_delivery_age_seconds",
        "age of the oldest of these deliveries",
        _oldest([delivery.due_at for delivery in deliveries], ctx),
    )
    alerts = ledger.alerts.waiting()
    yield Figure(
        "cdr_waiting_alerts", "alerts that a channel has not accepted", {item.channel: item.alerts for item in alerts},
        "channel",
    )  # fmt: skip


def _webhooks(ledger: Ledger, ctx: RunContext) -> Iterator[Figure]:
    hooks = ledger.webhooks.webhooks()
    states: dict[str, float] = dict.fromkeys(get_args(WebhookState), 0)
    for hook in hooks:
        states[state_of(hook)] += 1
    yield Figure("cdr_webhooks", "webhooks by state", states, "state")
    letters = sum(hook.dead_letters for hook in hooks)
    yield _one("cdr_webhook_dead_letters", "changes that no attempt could send", letters)
    behind = waiting_changes(hooks, ledger)
    yield _one("cdr_webhooks_behind", "webhooks with changes that wait", len(behind))
    yield _one(
        "cdr_webhook_lag_seconds", "age of the oldest change that a webhook has not accepted", _oldest(behind, ctx)
    )


def _disks(ledger: Ledger, ctx: RunContext) -> Iterator[Figure]:
    disks = {", ".join(item.holds): item for item in disk_forecasts(ledger, ctx)}
    yield Figure("cdr_disk_free_bytes", "free space", {name: item.free_bytes for name, item in disks.items()}, "disk")
    yield Figure("cdr_disk_bytes", "size of the disk", {name: item.total_bytes for name, item in disks.items()}, "disk")
    yield Figure("cdr_disk_daily_bytes", "expected growth of a day",
                 {name: item.daily_bytes for name, item in disks.items()}, "disk")  # fmt: skip
    left = {name: item.days_left for name, item in disks.items()}
    yield Figure("cdr_disk_days_left", "days until the disk is full at this growth",
                 {name: days for name, days in left.items() if days is not None}, "disk")  # fmt: skip


def _one(name: str, text: str, value: float) -> Figure:
    return Figure(name, text, {"": value})


def _oldest(instants: Sequence[datetime], ctx: RunContext) -> float:
    return max((_age(instant, ctx) for instant in instants), default=0.0)


def _age(since: datetime, ctx: RunContext) -> float:
    return max(0.0, (ctx.clock() - since).total_seconds())
