"""Problems of reconciliations: red days, open money, charges that nothing verifies."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from cdr_pipeline.core.charts.composed_text import ComposedText, counted
from cdr_pipeline.steps.operations.health.problem import (
    A_WEEK,
    Problem,
    Subject,
    last_look,
)
from cdr_pipeline.steps.operations.remedies import settle_command
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger

_CENT = Decimal("0.01")


def reconciliation_problems(ledger: Ledger, account_ids: list[str], ctx: RunContext) -> Iterator[Problem]:
    """Days whose money at risk is above the limit, red days, and charges that nothing verifies."""
    limit = ctx.settings.alert_exposure
    for day in ledger.health.open_exposure(account_ids, first_date=(ctx.clock() - A_WEEK).date()):
        ended = datetime.combine(day.business_date + timedelta(days=1), time(), tzinfo=UTC)
        settle = settle_command(day.business_date)
        if limit is not None and day.exposure > limit:
            yield Problem(
                ComposedText(
                    "{day}: {breaks} breaks leave {exposure} {currency} open, more than {limit}",
                    day=day.business_date,
                    breaks=day.breaks,
                    exposure=day.exposure.quantize(_CENT),
                    currency=day.currency,
                    limit=limit,
                ),
                "exposure",
                ended,
                settle,
                f"{day.business_date} {day.currency}",
                last_look(day.business_date),
                Subject("breaks", business_date=day.business_date),
            )
        elif day.red:
            yield Problem(
                ComposedText(
                    "{day}: {red} red, {breaks} undecided",
                    day=day.business_date,
                    red=counted(day.red, "{count} reconciliation", "{count} reconciliations"),
                    breaks=counted(day.breaks, "{count} break", "{count} breaks"),
                ),
                "reconciliation_red",
                ended,
                settle,
                f"{day.business_date} {day.currency}",
                last_look(day.business_date),
                Subject("breaks", business_date=day.business_date),
            )
        if day.unverified:
            yield Problem(
                ComposedText(
                    "{day}: charges that nothing verifies: {reconciliations}; give the profile a rate_card, or set"
                    " compare_amounts = false",
                    day=day.business_date,
                    reconciliations=counted(day.unverified, "{count} reconciliation", "{count} reconciliations"),
                ),
                "charges_unverified",
                ended,
                f"cdr-pipeline reconcile --date {day.business_date}",
                f"{day.business_date} {day.currency}",
                last_look(day.business_date),
                Subject("profile"),
            )
