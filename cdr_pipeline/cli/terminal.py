"""Console output of the commands: tables on standard output, progress on standard error."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.status import Status

from cdr_pipeline.privacy.redaction import configure_logging
from cdr_pipeline.settings import Settings, load_settings
from cdr_pipeline.steps.run_context import Progress, RunContext

# Width of output that goes to a file or another program.
_PIPED_WIDTH: Final = 200
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
    """A spinner on a terminal, plain lines elsewhere."""
    if not err.is_terminal:
        yield lambda text: err.print(f"{label}: {text}", markup=False)
        return
    with Status(label, console=err) as spinner:
        yield lambda text: spinner.update(f"{label}: {text}")
