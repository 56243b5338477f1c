"""Reconciliation of switch and carrier: optimal one-to-one pairs, one class per row, balanced totals."""

from cdr_pipeline.core.reconcile.classify.classes import Cause, MatchClass
from cdr_pipeline.core.reconcile.inputs.columns import SIDE_SCHEMA
from cdr_pipeline.core.reconcile.inputs.rates import Increment, Rate, RateCard
from cdr_pipeline.core.reconcile.inputs.rules import Rules, Weights
from cdr_pipeline.core.reconcile.reconcile import reconcile
from cdr_pipeline.core.reconcile.result.reconciled import Reconciled

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
