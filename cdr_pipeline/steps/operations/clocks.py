"""Compares this machine's clock with those of the warehouse and the switch.

A clock that is ahead would complete and seal days that have not ended. A clock that is behind would treat started days
as future days and reject today's calls as future calls.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cdr_pipeline.errors import ClockDisagrees
from cdr_pipeline.sources.upstream_registry import upstream_of
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger

_HINT = "set the clock (timedatectl set-ntp true), then run 'cdr-pipeline doctor'; nothing was changed"


@dataclass(frozen=True, slots=True)
class ClockDifference:
    """A clock that differs from this machine's by more than the setting allows.

    Attributes:
        place: owner of the clock: ``warehouse`` or ``switch``.
        seconds: seconds by which this machine's clock is ahead of it; negative when it is behind.
    """

    place: str
    seconds: float

    @property
    def message(self) -> str:
        """The difference in one sentence."""
        direction = "ahead of" if self.seconds > 0 else "behind"
        return f"this machine's clock is {abs(self.seconds):.0f} s {direction} the {self.place}'s"


def clock_differences(ledger: Ledger, ctx: RunContext, *, ask_switch: bool) -> Iterator[ClockDifference]:
    """Clocks that differ from this machine's by more than ``clock_tolerance_seconds``.

    Args:
        ledger: ledger of the warehouse.
        ctx: settings, warehouse, clock and progress callback.
        ask_switch: whether to send the switch a request without a token; a switch that does not reply is skipped.
    """
    clocks = {"warehouse": ledger.health.warehouse_clock()}
    if ask_switch and ctx.settings.api_url is not None:
        switch = upstream_of(ctx.settings).clock()
        clocks |= {} if switch is None else {"switch": switch}
    for place, moment in clocks.items():
        seconds = (ctx.clock() - moment).total_seconds()
        if abs(seconds) > ctx.settings.clock_tolerance_seconds:
            yield ClockDifference(place, seconds)


def require_clock(ledger: Ledger, ctx: RunContext, *, ask_switch: bool = False) -> None:
    """Checks that the clocks agree.

    Raises:
        ClockDisagrees: a clock differs by more than ``clock_tolerance_seconds``.
    """
    for difference in clock_differences(ledger, ctx, ask_switch=ask_switch):
        raise ClockDisagrees(difference.message, hint=_HINT)
