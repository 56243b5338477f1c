"""One place during a call that fetches files."""

from dataclasses import dataclass, field

from cdr_pipeline.errors import CdrError
from cdr_pipeline.sources.inbound.places import Place
from cdr_pipeline.steps.inbound.place_results import FileResult, PlaceResult
from cdr_pipeline.steps.run_context import RunContext


@dataclass(slots=True)
class PlaceVisit:
    """One place during a call.

    Attributes:
        place: the place.
        ctx: settings, warehouse, clock and progress callback.
        dry_run: whether nothing is recorded or changed.
        registered: ids of the active accounts.
        files: results by path, as far as the looks have shown them.
        failure: why the place could not be looked at, or broke off; None if it did not.
    """

    place: Place
    ctx: RunContext
    dry_run: bool
    registered: frozenset[str]
    files: dict[str, FileResult] = field(default_factory=dict[str, FileResult])
    failure: CdrError | None = None

    def result(self) -> PlaceResult:
        """Result of the place."""
        error, files = self.failure, tuple(self.files.values())
        if error is None:
            return PlaceResult(self.place.name, self.place.kind, files)
        return PlaceResult(
            self.place.name, self.place.kind, files, error.code, error.message, error.hint, retryable=error.retryable
        )
