"""Switch against carrier: optimal one-to-one pairs, one class for every row, totals that balance. Pure."""

from cdr_pipeline.core.reconcile.classes import Cause, MatchClass
from cdr_pipeline.core.reconcile.rates import Increment, Rate, RateCard
from cdr_pipeline.core.reconcile.reconcile import reconcile
from cdr_pipeline.core.reconcile.reconciled import Reconciled
from cdr_pipeline.core.reconcile.rules import Rules, Weights
from cdr_pipeline.core.reconcile.side import SIDE_SCHEMA

__all__ = [
    "SIDE_SCHEMA",
    "Cause",
    "Increment",
    "MatchClass",
    "Rate",
    "RateCard",
    "Reconciled",
    "Rules",
    "Weights",
    "reconcile",
]
