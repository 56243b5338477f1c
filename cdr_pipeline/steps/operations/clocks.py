"""Whether this machine's clock can be trusted: compared with the warehouse's and with the switch's.

A clock that is ahead completes and seals days that have not ended; one that is behind takes days that have begun for
future ones and today's calls for calls of the future.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cdr_pipeline.errors import ClockDisagrees
from cdr_pipeline.sources.kazoo.server_clock import server_clock
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger

_HINT = "set the clock (timedatectl set-ntp true), then run 'cdr-pipeline doctor'; nothing was changed"


@dataclass(frozen=True, slots=True)
class ClockDifference:
    """A clock that differs from this machine's by more than the setting allows.

    Attributes:
        place: whose clock: the warehouse's or the switch's.
        seconds: how far this machine's clock is ahead of it; negative when it is behind.
    """

    place: str
    seconds: float

    @property
    def message(self) -> str:
        """One sentence."""
        direction = "ahead of" if self.seconds > 0 else "behind"
        return f"this machine's clock is {abs(self.seconds):.0f} s {direction} the {self.place}'s"


def clock_differences(ledger: Ledger, ctx: RunContext, *, ask_switch: bool) -> Iterator[ClockDifference]:
    """Clocks that differ from this machine's by more than ``clock_tolerance_seconds``.

    Args:
        ledger: of the warehouse.
        ctx: settings, warehouse, clock and progress callback.
        ask_switch: also send the switch a request, without a token; one that does not reply is left out.
    """
    clocks = {"warehouse": ledger.health.warehouse_clock()}
    if ask_switch and ctx.settings.api_url is not None:
        switch = server_clock(ctx.settings.api_url)
        clocks |= {} if switch is None else {"switch": switch}
    for place, moment in clocks.items():
        seconds = (ctx.clock() - moment).total_seconds()
        if abs(seconds) > ctx.settings.clock_tolerance_seconds:
            yield ClockDifference(place, seconds)


def require_clock(ledger: Ledger, ctx: RunContext, *, ask_switch: bool = False) -> None:
    """Lets a step go on only when the clocks agree.

    Raises:
        ClockDisagrees: they do not.
    """
    for difference in clock_differences(ledger, ctx, ask_switch=ask_switch):
        raise ClockDisagrees(difference.message, hint=_HINT)
