"""``cdr-pipeline doctor``: what is broken, since when, and how to mend it."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdr_pipeline.steps.health import Broken


def doctor(
    *,
    mend: Annotated[
        bool, typer.Option("--mend", help="End runs whose process is gone; everything else is for a person.")
    ] = False,
    test_alert: Annotated[
        bool, typer.Option("--test-alert", help="Only send a test alert by every channel that is set.")
    ] = False,
) -> None:
    """Check everything: settings, definitions, warehouse, nights, runs, daemon. Exits 11 when something is broken."""
    from cdr_pipeline.cli.console import out, progress, ready_settings
    from cdr_pipeline.errors import SomethingIsBroken

    settings = ready_settings()
    if test_alert:
        from cdr_pipeline.steps.alert import Alert, send_alert

        channels = send_alert(Alert("test", "a test: alerts arrive here"), settings)
        out.print(f"sent by {', '.join(channels)}" if channels else "no channel is set: see CDR_ALERT_ in the README")
        return
    from cdr_pipeline.defs.doctor import check_up

    with progress("looking"):
        found = check_up(settings, mend=mend)
    _list("Mended", found.mended)
    _list("Broken", found.broken)
    if found.broken:
        raise SomethingIsBroken(
            f"{len(found.broken)} thing(s) are broken", hint="the last column has the command for each"
        )
    out.print("nothing is broken")


def _list(title: str, items: "Sequence[Broken]") -> None:
    from cdr_pipeline.cli.console import out, table

    if not items:
        return
    listing = table(title, "what", "code", "since (UTC)", "mended by")
    for item in items:
        listing.add_row(item.what, item.code, f"{item.since:%Y-%m-%d %H:%M}", item.mend)
    out.print(listing)
