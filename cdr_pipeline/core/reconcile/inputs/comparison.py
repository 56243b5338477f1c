"""Two sides beside each other, with what the passes need to compare them."""

from dataclasses import dataclass

from cdr_pipeline.core.reconcile.clock.clock import Clock
from cdr_pipeline.core.reconcile.inputs.calls import Calls
from cdr_pipeline.core.reconcile.inputs.rates import Integers
from cdr_pipeline.core.reconcile.inputs.rules import Rules
from cdr_pipeline.core.reconcile.inputs.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared.

    Attributes:
        switch: A.
        carrier: B.
        carrier_start: B's times on the switch's clock, milliseconds.
        clock: how the two clocks differ, and how usual a difference is.
        tariff: prices of the switch's rows.
        rules: windows, weights and tolerances.
    """

    switch: Calls
    carrier: Calls
    carrier_start: Integers
    clock: Clock
    tariff: Tariff
    rules: Rules
