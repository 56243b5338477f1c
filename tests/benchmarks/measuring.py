"""How benchmarks measure: every part in a process of its own, with its time, processor time and peak of memory."""

import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Measured:
    """One part: what it returned, seconds, and peak in MB and processor seconds of its process, imports included.

    Processor seconds, those of the database not included, say more than seconds on a machine that does other work too.
    """

    result: Any
    seconds: float
    peak_mb: float
    processor_seconds: float


def measured(part: Callable[..., Any], *args: Any) -> Measured:
    """Runs a module-level function in a fresh process."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(send, part, args))
    process.start()
    send.close()
    try:
        found = receive.recv()
    except EOFError:
        raise RuntimeError(f"{part.__name__} failed") from None
    process.join()
    return found


def _run(send: Any, part: Callable[..., Any], args: tuple[Any, ...]) -> None:
    begun = time.perf_counter()
    result = part(*args)
    seconds = time.perf_counter() - begun
    send.send(Measured(result, seconds, _peak_mb(), time.process_time()))


def _peak_mb() -> float:
    """Of this process alone: Linux's ru_maxrss counts the process that has started it too."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text("utf-8").partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def line(name: str, rows: int, part: Measured, limit: float | None = None) -> str:
    """A row of the table: rate, peak, and the ratio to the limit's rate where there is one."""
    rate = rows / part.seconds
    ratio = "" if limit is None else f"{rate / limit:8.2f}"
    return f"{name:44s} {part.seconds:8.1f} s {rate:11,.0f} rows/s {part.peak_mb:8.0f} MB {ratio}"
