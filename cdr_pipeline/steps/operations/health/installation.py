"""Problems of the installation: clocks, disks, replica, alert channels, months due for removal."""

import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta

from cdr_pipeline.core.charts.composed_text import ComposedText, counted
from cdr_pipeline.errors import (
    ClockDisagrees,
    ReplicaUnusable,
    WarehouseError,
)
from cdr_pipeline.steps.operations.clocks import clock_differences
from cdr_pipeline.steps.operations.disk import disk_forecasts
from cdr_pipeline.steps.operations.health.problem import (
    A_NIGHT,
    Problem,
    titled,
)
from cdr_pipeline.steps.retention.retain_records import due_months, months_after
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.server.replica import replica_state

# An alert that a channel has not accepted within this time is a problem of the channel.
_UNHEARD = timedelta(minutes=10)


def clocks_broken(ledger: Ledger, ctx: RunContext, *, ask_switch: bool = False) -> Iterator[Problem]:
    """Clocks that differ from this machine's by more than the setting allows, which blocks collecting and sealing.

    Args:
        ledger: ledger of the warehouse.
        ctx: settings, warehouse, clock and progress callback.
        ask_switch: whether to compare with the switch's clock too, which sends it a request.
    """
    for difference in clock_differences(ledger, ctx, ask_switch=ask_switch):
        yield Problem(
            ComposedText(
                "{difference}, more than {limit} s",
                difference=difference.message,
                limit=f"{ctx.settings.clock_tolerance_seconds:g}",
            ),
            ClockDisagrees.code,
            ctx.clock(),
            "timedatectl set-ntp true",
            f"clock of the {difference.place}",
        )


def retention_problems(ledger: Ledger, names: Mapping[str, str], now: datetime) -> Iterator[Problem]:
    """Months that are due for removal for two days. Nights apply the policies, so these could not be removed."""
    for policy in ledger.retention.policies():
        due = due_months(policy, ledger, (now - A_NIGHT).date())
        if not due or policy.keep_months is None or now - policy.set_at < A_NIGHT:
            continue
        first = datetime.combine(months_after(due[0], policy.keep_months + 1), time(), tzinfo=UTC)
        yield Problem(
            ComposedText(
                "account {account}: {months} from {first} on should have been removed",
                account=titled(policy.account_id, names),
                months=counted(len(due), "{count} month", "{count} months"),
                first=f"{due[0]:%Y-%m}",
            ),
            "retention_due",
            max(first, policy.set_at),
            "cdr-pipeline warehouse retention run",
            f"account {policy.account_id}",
        )


def replica_problems(ctx: RunContext) -> Iterator[Problem]:
    """A replica that the API cannot use or that shows records older than the setting allows."""
    url, limit, now = ctx.settings.warehouse_replica_url, ctx.settings.serve_replica_seconds, ctx.clock()
    if url is None:
        return
    try:
        state = replica_state(ctx.url, url.get_secret_value())
    except WarehouseError as error:
        text = ComposedText("the replica is not used: {cause}", cause=error.message)
        yield Problem(text, ReplicaUnusable.code, now, "cdr-pipeline warehouse status", "replica")
        return
    since = state.replayed_at or now
    if state.bytes_behind and (now - since).total_seconds() > limit:
        yield Problem(
            ComposedText(
                "the replica is {size} MB behind, its last transaction is older than {limit} s",
                size=f"{state.bytes_behind / 1e6:.1f}",
                limit=f"{limit:g}",
            ),
            "replica_behind",
            since,
            "cdr-pipeline warehouse status",
            "replica",
        )


def alert_problems(ledger: Ledger, now: datetime) -> Iterator[Problem]:
    """Channels that have not accepted an alert for a while; their attempts go on."""
    for waiting in ledger.alerts.waiting():
        if now - waiting.since > _UNHEARD:
            yield Problem(
                ComposedText(
                    "{alerts} not yet accepted by the channel {channel}: {cause}",
                    alerts=counted(waiting.alerts, "{count} alert", "{count} alerts"),
                    channel=waiting.channel,
                    cause=waiting.error or ComposedText("not yet sent"),
                ),
                "alert_waiting",
                waiting.since,
                "cdr-pipeline alerts retry",
                f"channel {waiting.channel}",
            )


def disk_problems(ledger: Ledger, ctx: RunContext) -> Iterator[Problem]:
    """Disks that are full within ``CDR_DISK_WARNING_DAYS`` at the growth so far, or nearly full now."""
    for forecast in disk_forecasts(ledger, ctx):
        if forecast.is_short(ctx.settings.disk_warning_days):
            folder = shlex.quote(str(forecast.folder))
            yield Problem(
                forecast.text(),
                "disk_full_soon",
                ctx.clock(),
                f"du -xh --max-depth=2 {folder} | sort -h | tail",
                f"disk of {folder}",
            )
