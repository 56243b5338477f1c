"""Console output of the commands: tables on standard output, progress on standard error."""

import re
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from rich.console import Console

from cdr_pipeline.privacy.redaction import configure_logging
from cdr_pipeline.settings import Settings, load_settings
from cdr_pipeline.steps.run_context import Progress, RunContext

# Width of output that goes to a file or another program.
_PIPED_WIDTH: Final = 200
# Longest message next to a bar.
_SHOWN: Final = 40
_COUNTED: Final = re.compile(r"\b(\d+) of (\d+)\b")
# Time between plain lines about accounts, files and days, of which there may be thousands; their first words.
_PAUSE_SECONDS: Final = 2.0
_FREQUENT: Final = frozenset(
    {"collected", "loaded", "imported", "exported", "reconciled", "sealed", "looked", "removed"}
)
out = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
err = Console(stderr=True, highlight=False)


def ready_settings() -> Settings:
    """Settings of this process, with logging set up. Raises ConfigurationError."""
    from cdr_pipeline.core.fields.dictionary import UNLOGGED

    settings = load_settings()
    configure_logging(settings.log_level if settings.log_level == "DEBUG" else "WARNING", private_fields=UNLOGGED)
    return settings


@contextmanager
def run_context(label: str) -> Generator[RunContext]:
    """A run context whose progress is shown while the block runs."""
    settings = ready_settings()
    with progress(label) as report:
        yield RunContext.open(settings, progress=report)


@contextmanager
def progress(label: str) -> Generator[Progress]:
    """A bar on a terminal, plain lines elsewhere, at most one every few seconds.

    The bar is filled where a message says ``N of M``; otherwise it moves, and the time shows that work goes on.
    """
    if not err.is_terminal:
        yield _Paced(lambda text: err.print(f"{label}: {text}", markup=False, soft_wrap=True))
        return
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}", markup=False), BarColumn(20), TimeElapsedColumn())
    with Bars(*columns, console=err, transient=True) as bars:
        bar = bars.add_task(label, total=None)

        def report(text: str) -> None:
            counted = _COUNTED.search(text)
            done, total = (int(counted[1]), int(counted[2])) if counted else (0, None)
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
            bars.update(bar, description=f"{label}: {shown}", completed=done, total=total)

        yield report


class _Paced:
    """Passes on the first message and then one every few seconds, and every message that is not about one account."""

    def __init__(self, write: Progress) -> None:
        self._write = write
        self._next = 0.0

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now >= self._next or text.partition(" ")[0] not in _FREQUENT:
            self._next = now + _PAUSE_SECONDS
            self._write(text)
