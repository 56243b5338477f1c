"""``cdr-pipeline doctor``: what is broken, since when, and how to fix it."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdr_pipeline.cli.operations.problems import problem_listing, problem_rows
from cdr_pipeline.cli.reports import reports, show
from cdr_pipeline.errors.counts import count_of

if TYPE_CHECKING:
    from cdr_pipeline.settings import Settings

_FIXED: Final = problem_listing("fixed", "Fixed")
_LOST: Final = problem_listing("lost", "Lost, and replaced by a newer version", "looks for a copy")
_PROBLEMS: Final = problem_listing("problems", "Problems")


@reports(_PROBLEMS, _FIXED, _LOST)
def doctor(
    *,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Mark runs whose process has died as failed. Other problems need manual action."),
    ] = False,
    mend: Annotated[bool, typer.Option("--mend", hidden=True, help="Former name of --fix.")] = False,
    test_alert: Annotated[
        bool, typer.Option("--test-alert", help="Only send a test alert over every channel that is set.")
    ] = False,
) -> None:
    """Check settings, definitions, warehouse, clocks, nights, runs and daemon. Exits with 11 if something is broken."""
    from cdr_pipeline.cli.terminal import out, progress, ready_settings
    from cdr_pipeline.errors import ProblemsFound

    settings = ready_settings()
    _require_configured(settings)
    if test_alert:
        from cdr_pipeline.cli.operations.alerts import send_test

        send_test()
        return
    from cdr_pipeline.defs.operations.doctor import check_up

    with progress("looking"):
        result = check_up(settings, fix=fix or mend)
    for listed, problems in ((_FIXED, result.fixed), (_LOST, result.lost), (_PROBLEMS, result.problems)):
        if problems:
            show(listed, problem_rows(problems))
    if result.problems:
        raise ProblemsFound(
            f"{count_of(len(result.problems), 'thing is', 'things are')} broken",
            hint="the list has the command for each",
        )
    out.print("nothing is broken")


def _require_configured(settings: "Settings") -> None:
    """Stops before a check-up of a folder in which nothing has been set up would find nothing broken.

    Raises:
        ConfigurationError: there is neither a warehouse nor a switch.
    """
    from cdr_pipeline.errors import ConfigurationError

    if settings.api_url is None and settings.warehouse_url is None and not settings.warehouse_dir.exists():
        raise ConfigurationError(
            f"nothing is set up: {settings.data_dir} has no warehouse, and CDR_API_URL is not set",
            hint="'cdr-pipeline demo' shows the product without a switch; for your switch, set CDR_API_URL and its key "
            "in .env, then run 'cdr-pipeline accounts sync'",
        )
