"""The command line: ``cdr-pipeline``. Thin: parse, call a step, print; exit codes are those of the errors."""

import signal
import sys
from typing import Final, NoReturn

import typer
from rich.console import Console

from cdr_pipeline import __version__
from cdr_pipeline.cli.grouped_help import GroupedCommands
from cdr_pipeline.errors import CdrError
from cdr_pipeline.privacy.redaction import redact

# Exit code after Ctrl-C, as of a shell.
_INTERRUPTED: Final = 130

app = typer.Typer(
    name="cdr-pipeline",
    help="Call detail records from Kazoo switches and carriers' files: merged, reconciled, exported daily.\n\n"
    "New here? 'cdr-pipeline demo' runs three nights against a simulated switch, 'cdr-pipeline ui' shows them, and\n"
    "'cdr-pipeline docs tutorial' explains them.",
    cls=GroupedCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(*, value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: bool = typer.Option(
        False,
        "--version",
        callback=lambda value: _show_version(value=value),
        is_eager=True,
        help="Print the version and exit.",
    ),
) -> None:
    """Options of every command."""


def main() -> None:
    """Entry point: runs the app; an error of ours becomes two lines and its exit code, never a traceback."""
    try:
        from cdr_pipeline.cli.registry import register

        register(app, sys.argv[1:])
        app()
    except KeyboardInterrupt:
        _stop()
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:
            _stop()
        raise
    except CdrError as error:
        _fail(error)
    except OSError as error:
        from cdr_pipeline.steps.failure import folder_fault

        folder = folder_fault(error)
        if folder is None:
            raise
        _fail(folder)


def _stop() -> NoReturn:
    """Ends after Ctrl-C: every step is one transaction or one whole file, so nothing is half done."""
    # A second Ctrl-C must not turn the message into a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("stopped; nothing is half done. The same command continues where it stopped", markup=False)
    sys.exit(_INTERRUPTED)


def _fail(error: CdrError) -> NoReturn:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("error", style="red", end=" ")
    console.print(f"[{error.code}] {redact(error.message)}", markup=False)
    if error.hint:
        console.print(f"  next: {error.hint}", markup=False)
    if error.retryable:
        console.print("  temporary: the same command may succeed later", markup=False)
    sys.exit(error.exit_code)
