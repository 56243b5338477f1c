"""Nightly runs that a person starts for a day: ``cdr-pipeline nightly`` as a process of its own, seen in Dagster's UI.

What a run prints is kept in a folder next to Dagster's, so that every process of the server shows it.
"""

import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from cdr_pipeline.errors import ConfigurationError, DecisionConflict
from cdr_pipeline.settings import subprocess_environment
from cdr_pipeline.steps.run_context import RunContext

_PROGRAM = sys.executable
_KEPT: Final = 20
_LAST_BYTES: Final = 4_000
_LAST_LINES: Final = 5
# Waits for the command in a process of its own, so that its exit code is kept even if the server restarts.
_WAITER: Final = """
import json, subprocess, sys
from pathlib import Path
folder, command = Path(sys.argv[1]), sys.argv[2:]
with (folder / "output").open("wb") as output:
    code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
(folder / "exit").write_text(json.dumps(code))
"""


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run that a person has started.

    Attributes:
        business_date: day of the run.
        accounts: accounts of the run; empty for all active ones.
        started_by: person who started it.
        started_at: time of the start, UTC.
        exit_code: exit code of the command; None while it runs; -1 if the process was lost.
        lines: the last lines that it printed.
    """

    business_date: date
    accounts: tuple[str, ...]
    started_by: str
    started_at: datetime
    exit_code: int | None
    lines: tuple[str, ...]

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.exit_code is None


def start_day_run(business_date: date, accounts: Sequence[str], ctx: RunContext, *, started_by: str) -> None:
    """Starts the nightly job for a day and returns at once.

    Args:
        business_date: day to run; it must have ended.
        accounts: accounts to run; empty for all active ones.
        ctx: settings, warehouse, clock and progress callback.
        started_by: person responsible.

    Raises:
        ConfigurationError: the day has not ended.
        DecisionConflict: a run of this day that a person has started has not ended.
    """
    if business_date >= ctx.clock().date():
        raise ConfigurationError(f"{business_date} has not ended", hint="choose an earlier day")
    if any(run.runs and run.business_date == business_date for run in day_runs(ctx)):
        raise DecisionConflict(f"a run of {business_date} is going on", hint="wait until it has ended")
    now = ctx.clock()
    folder = _folder(ctx) / f"{now:%Y%m%dT%H%M%S}_{secrets.token_hex(4)}"
    folder.mkdir(parents=True, mode=0o700)
    command = [_PROGRAM, "-m", "cdr_pipeline", "nightly", "--date", business_date.isoformat()]
    for account_id in accounts:
        command += ["--account", account_id]
    process = subprocess.Popen(
        [sys.executable, "-c", _WAITER, str(folder), *command],
        env=subprocess_environment(ctx.settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # Takes the exit code of the waiting process, which is not needed, so that no zombie stays.
    threading.Thread(target=process.wait, name="day_run", daemon=True).start()
    document = {
        "date": business_date.isoformat(),
        "accounts": list(accounts),
        "by": started_by,
        "at": now.isoformat(),
        "pid": process.pid,
    }
    (folder / "run.json").write_text(json.dumps(document), encoding="utf-8")
    _forget_old(ctx)


def day_runs(ctx: RunContext) -> list[StartedRun]:
    """The last runs that people have started, newest first."""
    return [run for folder in _folders(ctx) if (run := _read(folder)) is not None]


def _folder(ctx: RunContext) -> Path:
    return ctx.settings.dagster_home / "day_runs"


def _folders(ctx: RunContext) -> list[Path]:
    return sorted(_folder(ctx).iterdir(), reverse=True) if _folder(ctx).is_dir() else []


def _read(folder: Path) -> StartedRun | None:
    try:
        document = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return StartedRun(
        date.fromisoformat(document["date"]),
        tuple(document["accounts"]),
        document["by"],
        datetime.fromisoformat(document["at"]),
        _exit_code(folder, document["pid"]),
        _last_lines(folder / "output"),
    )


def _exit_code(folder: Path, pid: int) -> int | None:
    """Exit code of the command; None while it runs."""
    for _ in range(2):
        try:
            return int(json.loads((folder / "exit").read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError):
            # The code may have been written since.
            if _is_running(pid):
                return None
    return -1


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _last_lines(path: Path) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LAST_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ()
    return tuple(line for line in text.splitlines() if line.strip())[-_LAST_LINES:]


def _forget_old(ctx: RunContext) -> None:
    """Removes what runs have printed that have ended, except the newest."""
    for folder in _folders(ctx)[_KEPT:]:
        run = _read(folder)
        if run is None or not run.runs:
            for file in folder.iterdir():
                file.unlink(missing_ok=True)
            folder.rmdir()
