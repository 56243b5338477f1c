"""Options that name accounts: by id, by name, or by the beginning of an id."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cdr_pipeline.warehouse.ledger import Account

_SEVERAL = "Only this account, by name or id; repeat for several."
_COMPLETED = 50


def complete_account(incomplete: str) -> Iterator[tuple[str, str]]:
    """Accounts whose name or id begins like this, for the shell. Starts no server."""
    from cdr_pipeline.errors import CdrError

    wanted = incomplete.casefold()
    try:
        accounts = _registered(start=False)
    except (CdrError, OSError):
        return
    found = 0
    for account in accounts:
        for value, text in ((account.name, account.account_id), (account.account_id, account.name)):
            if value and value.casefold().startswith(wanted) and found < _COMPLETED:
                found += 1
                yield value, text
                break


def resolved(ctx: typer.Context, value: Any) -> Any:  # noqa: ANN401 - a text, a list of texts, or nothing
    """Replaces names of accounts by ids. Text that names no account stays; the command reports it.

    Raises:
        ConfigurationError: several accounts have the name.
    """
    from cdr_pipeline.steps.accounts.account_names import account_named

    if not value or ctx.resilient_parsing:
        return value
    accounts = _registered(start=True)
    if isinstance(value, (list, tuple)):
        return [account_named(text, accounts) for text in value]  # type: ignore[misc]
    return account_named(value, accounts)


def _registered(*, start: bool) -> "list[Account]":
    """Accounts of the warehouse; empty before the warehouse is created."""
    from cdr_pipeline.settings import load_settings
    from cdr_pipeline.warehouse.ledger import Ledger
    from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
    from cdr_pipeline.warehouse.server.engine import connect, warehouse_url
    from cdr_pipeline.warehouse.server.migrate import current

    settings = load_settings()
    if settings.warehouse_url is None:
        if not settings.warehouse_dir.exists():
            return []
        if not start and not EmbeddedServer(settings.warehouse_dir).status().running:
            return []
    url = warehouse_url(settings)
    if current(url) is None:
        return []
    with connect(url) as connection:
        return Ledger(connection).accounts.all()


def several(text: str = _SEVERAL, *names: str) -> Any:  # noqa: ANN401 - as typer.Option
    """An option ``--account`` that may be repeated."""
    return typer.Option(
        *(names or ("--account",)), help=text, metavar="ACCOUNT", callback=resolved, autocompletion=complete_account
    )


def argument(text: str) -> Any:  # noqa: ANN401 - as typer.Argument
    """An argument that names an account, or several."""
    return typer.Argument(help=text, metavar="ACCOUNT", callback=resolved, autocompletion=complete_account)


Accounts = Annotated[list[str] | None, several()]
OneAccount = Annotated[str | None, several("Only this account, by name or id.")]
Owner = Annotated[str, several("Account that owns the calls, by name or id.")]
