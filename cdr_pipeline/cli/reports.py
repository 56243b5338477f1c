"""Commands that list or report: each has ``--json``, which prints one document with a stable form.

The document is an object: ``schema`` is its version, ``error`` is null or has ``code``, ``message``, ``next`` and
``retryable``, and every list that the command declares is there under its key, empty or not. Messages are written to
standard error then. The exit code is the same with and without ``--json``.
"""

import functools
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cdr_pipeline.cli.listing_json import json_rows, plain
from cdr_pipeline.cli.listing_layout import rendered
from cdr_pipeline.cli.listings import ACCOUNT, Listing
from cdr_pipeline.errors import CdrError

if TYPE_CHECKING:
    from cdr_pipeline.steps.run_context import RunContext

# Raised when a field is removed or changes its meaning; new fields do not raise it.
SCHEMA: Final = 1
_OPTION: Final = "as_json"
_LISTINGS: Final = "__listings__"
_Json = Annotated[bool, typer.Option("--json", help="Print JSON; 'cdr-pipeline docs json' describes it.")]
_document: ContextVar[dict[str, Any] | None] = ContextVar("document", default=None)


def reports(*listings: Listing) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds ``--json`` to a command that prints these lists with ``show``."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(*args: Any, **options: Any) -> None:  # noqa: ANN401 - options of any command
            if not options.pop(_OPTION, False):
                command(*args, **options)
                return
            _run_as_json(lambda: command(*args, **options), listings)

        signature = inspect.signature(command)
        option = inspect.Parameter(_OPTION, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Json)
        setattr(run, "__signature__", signature.replace(parameters=[*signature.parameters.values(), option]))  # noqa: B010
        run.__annotations__ = {**command.__annotations__, _OPTION: _Json}
        setattr(run, _LISTINGS, listings)
        return run

    return decorate


def listings_of(command: Callable[..., object]) -> tuple[Listing, ...] | None:
    """Lists that a command declares; None if it has no ``--json``."""
    return getattr(command, _LISTINGS, None)


def show(listing: Listing, rows: Iterable[Iterable[object]], ctx: "RunContext | None" = None) -> None:
    """Prints rows of a list, or adds them to the JSON document.

    Args:
        listing: declaration of the list.
        rows: one value or ``Cell`` a column.
        ctx: warehouse that has the names of accounts; may be left out without a column ``account``.
    """
    from cdr_pipeline.cli.terminal import out

    cells = [tuple(row) for row in rows]
    names = account_names(ctx) if ctx is not None and cells and ACCOUNT in listing.columns else {}
    document = _document.get()
    if document is None:
        out.print(rendered(listing, cells, names, out.width), soft_wrap=True)
        return
    objects = json_rows(listing, cells, names)
    if listing.single:
        document[listing.key] = objects[0] if objects else None
    else:
        document[listing.key] += objects


def add_content(key: str, content: object) -> None:
    """Adds content of any form to the JSON document, if there is one."""
    document = _document.get()
    if document is not None:
        document[key] = plain(content)


def is_json() -> bool:
    """Whether the command prints JSON."""
    return _document.get() is not None


def account_names(ctx: "RunContext") -> Mapping[str, str]:
    """Names of all accounts by id."""
    with ctx.ledger() as ledger:
        return {account.account_id: account.name for account in ledger.accounts.all()}


def titles(account_ids: Iterable[str], ctx: "RunContext") -> str:
    """Accounts by name and id, for a message."""
    names = account_names(ctx)
    return ", ".join(f"{names[item]} ({item})" if names.get(item) else item for item in account_ids)


def _run_as_json(command: Callable[[], None], listings: tuple[Listing, ...]) -> None:
    from cdr_pipeline.cli.terminal import out
    from cdr_pipeline.privacy.redaction import redact

    document: dict[str, Any] = {"schema": SCHEMA, "error": None}
    document |= {listing.key: None if listing.single or not listing.columns else [] for listing in listings}
    token = _document.set(document)
    out.stderr = True
    try:
        command()
    except CdrError as error:
        document["error"] = {
            "code": error.code,
            "message": redact(error.message),
            "next": error.hint or None,
            "retryable": error.retryable,
        }
        _write(document)
        raise
    finally:
        _document.reset(token)
        out.stderr = False
    _write(document)


def _write(document: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
