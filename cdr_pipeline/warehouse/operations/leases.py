"""Leases of running steps.

A step renews its lease while it runs. A lease that is not renewed any more belongs to a process that was killed, or to
a machine that died; this is seen from every machine.
"""

from dataclasses import dataclass
from datetime import datetime

from cdr_pipeline.warehouse.statement_runner import LedgerTables


@dataclass(frozen=True, slots=True)
class RunningStep:
    """A step of a run, and the process that runs it as ``host:pid:start``."""

    run_id: str
    step: str
    process: str


@dataclass(frozen=True, slots=True)
class ExpiredLease:
    """A step whose process has not renewed its lease since ``renewed_at``; "" for a process that never did."""

    run_id: str
    step: str
    process: str
    renewed_at: datetime

    @property
    def host(self) -> str:
        """Machine of the process; "" if it is unknown."""
        return self.process.rsplit(":", 2)[0]


@dataclass(frozen=True, slots=True)
class LeaseOfRun:
    """Lease of a step of a run.

    Attributes:
        running: step and process.
        expired: whether the process has not renewed it for some time.
    """

    running: RunningStep
    expired: bool

    @property
    def step(self) -> str:
        """Name of the step."""
        return self.running.step

    @property
    def host(self) -> str:
        """Machine of the process."""
        return self.running.process.rsplit(":", 2)[0]


class LeaseTable(LedgerTables):
    """Leases of running steps. All times are those of the warehouse's clock."""

    def open(self, step: RunningStep) -> None:
        """Records that a process runs a step."""
        self.statements.execute("operations/open_lease", run_id=step.run_id, step=step.step, process=step.process)

    def renew(self, step: RunningStep) -> None:
        """Records that the step is still running."""
        self.statements.execute("operations/renew_lease", run_id=step.run_id, step=step.step, process=step.process)

    def expect(self, run_id: str, step: str) -> None:
        """Enters a lease that expires unless a process renews it; changes nothing if there is a lease."""
        self.statements.execute("operations/await_lease", run_id=run_id, step=step)

    def close(self, step: RunningStep) -> None:
        """Removes the lease of a step that has ended."""
        self.statements.execute("operations/close_lease", run_id=step.run_id, step=step.step, process=step.process)

    def forget(self, run_id: str) -> None:
        """Removes all leases of a run."""
        self.statements.execute("operations/forget_leases", run_id=run_id)

    def process_of(self, run_id: str, step: str, seconds: float) -> str | None:
        """Process that runs a step; None if none has renewed its lease within some seconds."""
        rows = self.statements.rows("operations/live_lease", run_id=run_id, step=step, seconds=seconds)
        return rows[0]["process"] if rows else None

    def running(self, seconds: float) -> set[tuple[str, str]]:
        """Run and name of the steps that have renewed their lease within some seconds."""
        rows = self.statements.rows("operations/live_leases", seconds=seconds)
        return {(row["run_id"], row["step"]) for row in rows}

    def of_run(self, run_id: str, seconds: float) -> list[LeaseOfRun]:
        """Leases of the steps of a run. Those that were not renewed for some seconds have expired."""
        dead = {(lease.run_id, lease.step) for lease in self.expired(seconds)}
        rows = self.statements.rows("operations/leases_of_run", run_id=run_id)
        return [
            LeaseOfRun(RunningStep(run_id, row["step"], row["process"]), (run_id, row["step"]) in dead) for row in rows
        ]

    def expired(self, seconds: float) -> list[ExpiredLease]:
        """Steps that have not renewed their lease for some seconds, oldest first."""
        return self.statements.records(ExpiredLease, "operations/expired_leases", seconds=seconds)
