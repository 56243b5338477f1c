"""Predicts a night and its storage from the constants that the benchmarks measured.

The model has three parts for each phase: a fixed time, a time for each account and a time for each record. The
constants are fitted to the nights in the page of benchmarks (two cores, one process, warehouse on the same machine).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Phase:
    """Seconds of one phase of a night.

    Attributes:
        fixed: seconds of any night.
        per_account: seconds for each account.
        per_row: seconds for each record.
    """

    fixed: float
    per_account: float
    per_row: float

    def seconds(self, accounts: int, rows: int) -> float:
        """Seconds of the phase for so many accounts and records."""
        return self.fixed + self.per_account * accounts + self.per_row * rows


# Fitted to the nights of 10, 100 and 1,000 accounts with 100,000 records and of 1,000 accounts with a million.
PHASES: Final[Mapping[str, Phase]] = MappingProxyType(
    {
        "collect": Phase(0.17, 4.0e-3, 12.3e-6),
        "load": Phase(0.2, 30.0e-3, 39.3e-6),
        "reconcile": Phase(0.36, 1.0e-3, 2.4e-6),
        "files": Phase(0.0, 13.4e-3, 13.4e-6),
        "seal": Phase(0.0, 8.2e-3, 8.0e-6),
        "Dagster and the rest": Phase(1.9, 0.7e-3, 1.3e-6),
    }
)
# Phases whose work is mostly that of the warehouse; more workers alone do not shorten them.
WAREHOUSE_PHASES: Final = frozenset({"load"})
# Measured on a cluster whose nodes share the cores of one machine: the cost of distribution itself.
CLUSTER_FACTOR: Final[Mapping[str, float]] = MappingProxyType({"load": 2.4, "files": 3.5, "reconcile": 1.3})
# Bytes for each record: 20 million records are 24 GB with their indexes; a file of 2 million rows is 1.3 GB; loading
# 2 million records with documents wrote 12.8 GB of log.
WAREHOUSE_BYTES: Final = 1200
FILE_BYTES: Final = 650
LOG_BYTES: Final = 6400


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be predicted.

    Attributes:
        accounts: accounts that a night collects.
        rows: records of a day, over all accounts.
        workers: workers of two cores that share the shards of a night; 1 for one process.
        nodes: nodes of a Citus cluster with two cores each; 0 for one server.
        keep_days: days of records in the warehouse.
    """

    accounts: int
    rows: int
    workers: int = 1
    nodes: int = 0
    keep_days: int = 90


@dataclass(frozen=True, slots=True)
class Prediction:
    """A predicted night.

    Attributes:
        phases: seconds by phase, in one process with one server.
        seconds: seconds of the night if the warehouse keeps up with all workers.
        most_seconds: seconds of the night if the warehouse gets no faster with more workers.
        core_hours: hours of one core for a night, over all machines.
        warehouse_bytes: size of the warehouse with the records of all kept days.
        file_bytes: size of the files of a day.
        log_bytes: size of the warehouse's log of a night, for records with documents.
    """

    phases: dict[str, float]
    seconds: float
    most_seconds: float
    core_hours: float
    warehouse_bytes: int
    file_bytes: int
    log_bytes: int


def predict(plan: Plan) -> Prediction:
    """Predicts a night of a plan."""
    phases = {name: phase.seconds(plan.accounts, plan.rows) for name, phase in PHASES.items()}
    costs = {name: seconds * (CLUSTER_FACTOR.get(name, 1.0) if plan.nodes else 1.0) for name, seconds in phases.items()}
    nodes = max(1, plan.nodes)
    shortest, longest = 0.0, 0.0
    for name, cost in costs.items():
        fixed = PHASES[name].fixed
        shared = cost - fixed
        shortest += fixed + shared / plan.workers
        # Workers wait for the nodes that they share.
        longest += fixed + shared / (min(plan.workers, nodes) if name in WAREHOUSE_PHASES else plan.workers)
    return Prediction(
        phases=phases,
        seconds=shortest,
        most_seconds=longest,
        core_hours=sum(costs.values()) * 2 / 3600,
        warehouse_bytes=plan.rows * plan.keep_days * WAREHOUSE_BYTES,
        file_bytes=plan.rows * FILE_BYTES,
        log_bytes=plan.rows * LOG_BYTES,
    )
