"""All faults by name."""

from typing import Final

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.simulator.faults.bomb import Bomb
from cdr_pipeline.simulator.faults.broken_text import BrokenText
from cdr_pipeline.simulator.faults.bucket import Bucket
from cdr_pipeline.simulator.faults.capitals import Capitals
from cdr_pipeline.simulator.faults.clock_behind import ClockBehind
from cdr_pipeline.simulator.faults.cut import Cut
from cdr_pipeline.simulator.faults.drip import Drip
from cdr_pipeline.simulator.faults.drop import Drop
from cdr_pipeline.simulator.faults.edge_timeout import EdgeTimeout, LongEdgeTimeout
from cdr_pipeline.simulator.faults.fault import SimulatedFault
from cdr_pipeline.simulator.faults.foreign_row import ForeignRow
from cdr_pipeline.simulator.faults.future_row import FutureRow
from cdr_pipeline.simulator.faults.gateway_timeout import GatewayTimeout
from cdr_pipeline.simulator.faults.html import Html
from cdr_pipeline.simulator.faults.html_twice import HtmlTwice
from cdr_pipeline.simulator.faults.login_fails import LoginFails
from cdr_pipeline.simulator.faults.loop import Loop
from cdr_pipeline.simulator.faults.more_rows import MoreRows
from cdr_pipeline.simulator.faults.no_rows import NoRows
from cdr_pipeline.simulator.faults.redirect import Redirect
from cdr_pipeline.simulator.faults.reset import Reset
from cdr_pipeline.simulator.faults.same_key_twice import SameKeyTwice
from cdr_pipeline.simulator.faults.short_page import ShortPage
from cdr_pipeline.simulator.faults.shuffle import Shuffle
from cdr_pipeline.simulator.faults.too_many import TooMany
from cdr_pipeline.simulator.faults.twice import Twice
from cdr_pipeline.simulator.faults.unauthorized import Unauthorized
from cdr_pipeline.simulator.faults.unavailable import Unavailable

FAULTS: Final[dict[str, type[SimulatedFault]]] = {
    fault.name: fault
    for fault in (
        Bomb, BrokenText, Bucket, Capitals, ClockBehind, Cut, Drip, Drop, EdgeTimeout, ForeignRow, FutureRow,
        GatewayTimeout, Html, HtmlTwice, LoginFails, LongEdgeTimeout, Loop, MoreRows, NoRows, Redirect, Reset,
        SameKeyTwice, ShortPage, Shuffle, TooMany, Twice, Unauthorized, Unavailable,
    )
}  # fmt: skip


def fault_of(name: str) -> SimulatedFault:
    """A new instance of the fault with this name.

    Raises:
        ConfigurationError: no fault has this name; the message lists all names.
    """
    if name not in FAULTS:
        raise ConfigurationError(f"unknown fault; choose one of: {', '.join(sorted(FAULTS))}")
    return FAULTS[name]()
