"""Inbound places as a person sees them: last look and fetch, files, and expected files that are late."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.sources.inbound.places import load_places
from cdr_pipeline.steps.inbound.expected_files import LateFile, late_files
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.inbound.inbound_files import INBOUND_STATES, InboundFile, LookedPlace


@dataclass(frozen=True, slots=True)
class PlaceState:
    """One place of inbound.toml.

    Attributes:
        name, kind: name and protocol.
        looked: when it was looked at and why it fails; None before the first look.
        fetched_at: when the newest of its files was fetched.
        fetched: number of files that were fetched there in the period.
        late: number of expected files that have not arrived.
    """

    name: str
    kind: str
    looked: LookedPlace | None
    fetched_at: datetime | None
    fetched: int
    late: int


@dataclass(frozen=True, slots=True)
class PlaceOverview:
    """Places, files that are late, and files, newest first; ``error`` if inbound.toml is invalid."""

    places: list[PlaceState] = field(default_factory=list[PlaceState])
    late: list[LateFile] = field(default_factory=list[LateFile])
    files: list[InboundFile] = field(default_factory=list[InboundFile])
    error: ConfigurationError | None = None


def place_overview(ctx: RunContext, accounts: Collection[str] | None, *, since: datetime) -> PlaceOverview:
    """Places with their files since an instant.

    Args:
        ctx: settings, warehouse, clock and progress callback.
        accounts: only files of these accounts, and only the places that have some; all when None.
        since: start of the period, UTC.
    """
    try:
        known = {place.name: place.kind for place in load_places(ctx.settings.inbound_file)}
        late = late_files(ctx, accounts)
    except ConfigurationError as error:
        return PlaceOverview(error=error)
    with ctx.ledger() as ledger:
        looked = {item.place: item for item in ledger.inbound.places()}
        files = [item for item in ledger.inbound.list_all(INBOUND_STATES, since=since) if item.place in known]
    if accounts is not None:
        files = [item for item in files if not set(accounts).isdisjoint(item.account_ids)]
        with_files = {item.place for item in files} | {item.place for item in late}
        known = {name: kind for name, kind in known.items() if name in with_files}
    return PlaceOverview(
        [_state(name, kind, looked.get(name), files, late) for name, kind in known.items()], late, files
    )


def _state(
    name: str, kind: str, looked: LookedPlace | None, files: list[InboundFile], late: list[LateFile]
) -> PlaceState:
    fetched = [item.fetched_at for item in files if item.place == name and item.fetched_at is not None]
    return PlaceState(
        name, kind, looked, max(fetched, default=None), len(fetched), sum(item.place == name for item in late)
    )
