"""What commands print with: tables on standard output, progress on standard error."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.status import Status
from rich.table import Table

from cdr_pipeline.privacy.redaction import configure_logging
from cdr_pipeline.settings import Settings, load_settings
from cdr_pipeline.steps.run_context import Progress, RunContext

# What is piped into a file or another program is not folded to a terminal's width.
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
def workplace(doing: str) -> Generator[RunContext]:
    """A workplace whose progress is shown while the block runs."""
    settings = ready_settings()
    with progress(doing) as report:
        yield RunContext.open(settings, progress=report)


@contextmanager
def progress(doing: str) -> Generator[Progress]:
    """A spinner on a terminal, plain lines elsewhere."""
    if not err.is_terminal:
        yield lambda text: err.print(f"{doing}: {text}", markup=False)
        return
    with Status(doing, console=err) as spinner:
        yield lambda text: spinner.update(f"{doing}: {text}")


def table(title: str, *columns: str, numbers: frozenset[str] = frozenset()) -> Table:
    """An empty table; columns named in ``numbers`` are set flush right."""
    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made
