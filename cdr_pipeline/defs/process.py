"""Identifies the process that executes a run, so that a dead run can be distinguished from a slow one.

Dagster's launcher does not detect dead processes: a run killed by SIGKILL stays "started" forever.
"""

import os
import socket
from pathlib import Path
from typing import Final

PROCESS_TAG: Final = "cdr/process"


def own_process() -> str:
    """``host:pid:start``; start distinguishes the process from a later one with the same pid."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def has_ended(process: str) -> bool | None:
    """Whether a process has ended; None for a process of another machine."""
    host, pid, started = process.rsplit(":", 2)
    if host != socket.gethostname():
        return None
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """Clock ticks from boot to the start of the process; "" for no such process, "?" on systems without /proc."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except FileNotFoundError:
        return _signalled(pid)
    fields = state.rpartition(")")[2].split()
    return "" if fields[0] in {"Z", "X"} else fields[19]


def _signalled(pid: int) -> str:
    if Path("/proc/self").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "?"
    return "?"
