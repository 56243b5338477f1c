"""Which process executes a run: noted on the run, so that one whose process is gone can be told from a slow one.

Dagster's own launcher cannot see a dead process: a run killed by SIGKILL would stay "started" for ever.
"""

import os
import socket
from pathlib import Path
from typing import Final

PROCESS_TAG: Final = "cdr/process"


def own_process() -> str:
    """``host:pid:start``, where start tells a process from a later one with the same number."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(process: str) -> bool | None:
    """Whether a process has ended; None when it is another machine's, of which nothing is known here."""
    host, pid, started = process.rsplit(":", 2)
    if host != socket.gethostname():
        return None
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """Clock ticks from boot to the process's start; "" when there is no such process, "?" where there is no /proc."""
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
