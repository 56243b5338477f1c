"""``cdr-pipeline config``: what is set, where from, and what is wrong."""

from typing import Final

import typer

from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import reports, show
from cdr_pipeline.errors.counts import count_of

config_app = typer.Typer(help="Settings: environment variables CDR_* and an optional .env.", no_args_is_help=True)
_SETTINGS: Final = listing(
    "settings", "Settings", "variable", "value", "source", "problem", "description",
    sentences=("value", "description", "problem"), titles={"source": "from", "description": "for"},
)  # fmt: skip


@config_app.callback()
def _group() -> None:
    """Settings."""


@config_app.command("check")
@reports(_SETTINGS)
def check() -> None:
    """Show every setting with its value (secrets masked), source and problem. Exits with 2 if anything is wrong.

    Data in an object store: also writes, lists, reads and deletes a small file there. Exits with 14 if that fails.
    """
    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.errors import ConfigurationError
    from cdr_pipeline.settings import inspect_settings
    from cdr_pipeline.steps.collect.switch_dialects import require_upstream
    from cdr_pipeline.steps.operations.data_folder import check_place

    inspected, settings = inspect_settings()
    show(
        _SETTINGS,
        (
            (item.variable, item.value, item.source, Cell(item.problem or None, style="red"), item.description)
            for item in inspected
        ),
    )
    wrong = [item.variable for item in inspected if item.problem]
    if wrong:
        raise ConfigurationError(
            f"{count_of(len(wrong), 'wrong setting')}: {', '.join(wrong)}", hint="see the column 'problem'"
        )
    if settings is not None:
        require_upstream(settings)
        if tried := check_place(settings):
            out.print(tried, markup=False, soft_wrap=True)
    out.print("all settings are valid")
