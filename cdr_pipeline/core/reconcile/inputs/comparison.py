"""Input of the matching passes: both sides with clock, tariff and rules."""

from dataclasses import dataclass

from cdr_pipeline.core.reconcile.clock.clock import Clock
from cdr_pipeline.core.reconcile.inputs.calls import Calls
from cdr_pipeline.core.reconcile.inputs.rates import Integers
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.inputs.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides and what is needed to compare them.

    Attributes:
        switch: side A.
        carrier: side B.
        carrier_start: start times of side B on the switch's clock, milliseconds since 1970.
        clock: difference between the two clocks, and its spread.
        tariff: prices of the switch's rows.
        rules: windows, weights and tolerances.
        written_steps: billing steps by which the file has its lengths, seconds; None if they are the agreed ones.
    """

    switch: Calls
    carrier: Calls
    carrier_start: Integers
    clock: Clock
    tariff: Tariff
    rules: Rules
    written_steps: tuple[int, int] | None = None
