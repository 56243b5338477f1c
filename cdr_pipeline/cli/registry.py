"""Every command, with the module that has it. Only the modules of the command that is called are imported.

Heavy imports stay inside the commands, so that ``--help`` is quick.
"""

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, Final

import typer

from cdr_pipeline.cli.grouped_help import GroupedCommands

# Name of the command, module below ``cdr_pipeline.cli``, and name of the function in it.
_COMMANDS: Final = (
    ("demo", "operations.demo", "demo"),
    ("nightly", "operations.night", "nightly"),
    ("collect", "collect.collect", "collect"),
    ("status", "operations.status", "status"),
    ("import", "uploads.import_file", "import_file"),
    ("export", "days.exports", "export"),
    ("export-month", "days.exports", "export_month"),
    ("verify-export", "days.exports", "verify_export"),
    ("reconcile-files", "reconciliation.reconcile_files", "reconcile_files"),
    ("reconcile", "reconciliation.reconcile", "reconcile"),
    ("deliver", "days.deliver", "deliver"),
    ("doctor", "operations.doctor", "doctor"),
    ("up", "operations.up", "up"),
    ("upgrade", "operations.upgrade", "upgrade"),
    ("backup", "operations.backup", "backup"),
    ("restore", "operations.backup", "restore"),
    ("ui", "operations.ui", "ui"),
    ("serve", "operations.serve", "serve"),
    ("simulate", "operations.simulate", "simulate"),
    ("fields", "records.fields", "fields"),
    ("docs", "operations.docs", "docs"),
    ("scaling", "operations.scaling", "scaling"),
)
# Name of the group of commands, module below ``cdr_pipeline.cli``, and name of the app in it.
_GROUPS: Final = (
    ("accounts", "accounts.accounts", "accounts_app"),
    ("days", "days.days", "days_app"),
    ("deliveries", "days.deliver", "deliveries_app"),
    ("inbound", "inbound.inbound", "inbound_app"),
    ("uploads", "uploads.uploads", "uploads_app"),
    ("rejects", "uploads.rejects", "rejects_app"),
    ("breaks", "reconciliation.decisions", "breaks_app"),
    ("invoices", "invoices.invoices", "invoices_app"),
    ("profiles", "uploads.profiles", "profiles_app"),
    ("tokens", "accounts.tokens", "tokens_app"),
    ("users", "accounts.users", "users_app"),
    ("webhooks", "accounts.webhooks", "webhooks_app"),
    ("alerts", "operations.alerts", "alerts_app"),
    ("config", "operations.config", "config_app"),
    ("data", "operations.data", "data_app"),
    ("deployment", "operations.deployment", "deployment_app"),
    ("warehouse", "operations.warehouse", "warehouse_app"),
)


def register(app: typer.Typer, arguments: Sequence[str] = ()) -> None:
    """Hangs the commands on the app, with the class that groups them in ``--help``.

    Args:
        app: the app.
        arguments: arguments of the process. If the first one is the name of a command, only that one is added, because
            importing and building all commands takes 0.2 s.
    """
    name = arguments[0] if arguments else ""
    named = name in {entry[0] for entry in (*_COMMANDS, *_GROUPS)}
    for command, function in _loaded(_COMMANDS, name if named else None):
        app.command(command)(function)
    for group, commands in _loaded(_GROUPS, name if named else None):
        app.add_typer(commands, name=group, cls=GroupedCommands)


def _loaded(entries: Iterable[tuple[str, str, str]], only: str | None) -> Iterable[tuple[str, Any]]:
    """Commands or groups by name; ``only`` is the name of the only one, None for all."""
    for name, module, attribute in entries:
        if only in (None, name):
            yield name, getattr(import_module(f"cdr_pipeline.cli.{module}"), attribute)
