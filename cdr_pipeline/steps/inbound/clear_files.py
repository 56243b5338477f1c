"""Moves or deletes fetched files at their place."""

from dataclasses import replace
from datetime import timedelta
from typing import Literal

from cdr_pipeline.core.uploads.inbound_files import RemoteFile
from cdr_pipeline.errors import CdrError
from cdr_pipeline.sources.inbound.connection import PlaceConnection
from cdr_pipeline.sources.inbound.opening import as_inbound_error
from cdr_pipeline.sources.inbound.places import Place
from cdr_pipeline.steps.inbound.place_results import FileResult
from cdr_pipeline.steps.inbound.place_visit import PlaceVisit
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Ledger


def clear(
    result: FileResult,
    file: RemoteFile,
    visit: PlaceVisit,
    connection: PlaceConnection,
    ledger: Ledger,
    *,
    due: timedelta,
) -> FileResult:
    """Moves or deletes a file at its place, with its marker or manifest, ``due`` after it was fetched."""
    place = visit.place
    if place.after == "leave" or (place.after == "delete" and due < timedelta(days=place.delete_after_days)):
        return result
    rule = place.whole_rule
    try:
        with as_inbound_error(place):
            now = connection.look(file.path)
            if now is None or now.stamp != file.stamp:
                return result
            companion = rule.companion_of(file.path) if "{" in rule.companion else ""
            paths = [file.path, *([companion] if companion and connection.look(companion) else [])]
            for path in paths:
                if place.after == "delete":
                    connection.delete(path)
                else:
                    _move(path, place, connection, visit.ctx)
    except CdrError as error:
        return replace(
            result,
            outcome="failed",
            code=error.code,
            message=f"{error.message}; the file was fetched and is still at the place",
            hint=error.hint,
        )
    cleared: Literal["moved", "deleted"] = "deleted" if place.after == "delete" else "moved"
    ledger.inbound.record_cleared(place.name, file, cleared, visit.ctx.clock())
    return replace(result, cleared=cleared)


def _move(path: str, place: Place, connection: PlaceConnection, ctx: RunContext) -> None:
    """Moves a file to ``move_to``; a file of the same name there stays, and the new one gets the time in its name."""
    if place.kind == "imap":
        connection.move(path, place.move_to)
        return
    target = f"{place.move_to.strip('/')}/{path}"
    if connection.look(target) is not None:
        target = f"{target}.{ctx.clock():%Y%m%dT%H%M%S%f}"
    connection.move(path, target)
