"""Every command. Heavy imports stay inside the commands, so that ``--help`` is quick."""

from collections.abc import Sequence

import typer
from typer.models import CommandInfo

from cdr_pipeline.cli.accounts.accounts import accounts_app
from cdr_pipeline.cli.accounts.tokens import tokens_app
from cdr_pipeline.cli.accounts.users import users_app
from cdr_pipeline.cli.collect.collect import collect
from cdr_pipeline.cli.days.days import days_app
from cdr_pipeline.cli.days.deliver import deliver, deliveries_app
from cdr_pipeline.cli.days.exports import export, export_month, verify_export
from cdr_pipeline.cli.grouped_help import GroupedCommands
from cdr_pipeline.cli.inbound.inbound import inbound_app
from cdr_pipeline.cli.invoices.invoices import invoices_app
from cdr_pipeline.cli.operations.alerts import alerts_app
from cdr_pipeline.cli.operations.backup import backup, restore
from cdr_pipeline.cli.operations.config import config_app
from cdr_pipeline.cli.operations.data import data_app
from cdr_pipeline.cli.operations.demo import demo
from cdr_pipeline.cli.operations.deployment import deployment_app
from cdr_pipeline.cli.operations.docs import docs
from cdr_pipeline.cli.operations.doctor import doctor
from cdr_pipeline.cli.operations.night import nightly
from cdr_pipeline.cli.operations.scaling import scaling
from cdr_pipeline.cli.operations.serve import serve
from cdr_pipeline.cli.operations.simulate import simulate
from cdr_pipeline.cli.operations.status import status
from cdr_pipeline.cli.operations.ui import ui
from cdr_pipeline.cli.operations.up import up
from cdr_pipeline.cli.operations.upgrade import upgrade
from cdr_pipeline.cli.operations.warehouse import warehouse_app
from cdr_pipeline.cli.reconciliation.decisions import breaks_app
from cdr_pipeline.cli.reconciliation.reconcile import reconcile
from cdr_pipeline.cli.reconciliation.reconcile_files import reconcile_files
from cdr_pipeline.cli.records.fields import fields
from cdr_pipeline.cli.uploads.import_file import import_file
from cdr_pipeline.cli.uploads.profiles import profiles_app
from cdr_pipeline.cli.uploads.rejects import rejects_app
from cdr_pipeline.cli.uploads.uploads import uploads_app


def register(app: typer.Typer, arguments: Sequence[str] = ()) -> None:
    """Hangs the commands on the app, with the class that groups them in ``--help``.

    Args:
        app: the app.
        arguments: arguments of the process. If the first one is the name of a command, only that one is added,
            because building all commands takes 0.1 s.
    """
    added = typer.Typer()
    _add_all(added)
    name = arguments[0] if arguments else ""
    commands = [info for info in added.registered_commands if _name(info) == name]
    groups = [info for info in added.registered_groups if info.name == name]
    named = bool(commands or groups)
    app.registered_commands += commands if named else added.registered_commands
    app.registered_groups += groups if named else added.registered_groups


def _add_all(app: typer.Typer) -> None:
    app.command()(demo)
    app.command()(nightly)
    app.command()(collect)
    app.command()(status)
    app.command("import")(import_file)
    app.command()(export)
    app.command("export-month")(export_month)
    app.command("verify-export")(verify_export)
    app.command("reconcile-files")(reconcile_files)
    app.command()(reconcile)
    app.command()(deliver)
    app.command()(doctor)
    app.command()(up)
    app.command()(upgrade)
    app.command()(backup)
    app.command()(restore)
    app.command()(ui)
    app.command()(serve)
    app.command()(simulate)
    app.command()(fields)
    app.command()(docs)
    app.command()(scaling)
    app.add_typer(accounts_app, name="accounts", cls=GroupedCommands)
    app.add_typer(days_app, name="days", cls=GroupedCommands)
    app.add_typer(deliveries_app, name="deliveries", cls=GroupedCommands)
    app.add_typer(inbound_app, name="inbound", cls=GroupedCommands)
    app.add_typer(uploads_app, name="uploads", cls=GroupedCommands)
    app.add_typer(rejects_app, name="rejects", cls=GroupedCommands)
    app.add_typer(breaks_app, name="breaks", cls=GroupedCommands)
    app.add_typer(invoices_app, name="invoices", cls=GroupedCommands)
    app.add_typer(profiles_app, name="profiles", cls=GroupedCommands)
    app.add_typer(tokens_app, name="tokens", cls=GroupedCommands)
    app.add_typer(users_app, name="users", cls=GroupedCommands)
    app.add_typer(alerts_app, name="alerts", cls=GroupedCommands)
    app.add_typer(config_app, name="config", cls=GroupedCommands)
    app.add_typer(data_app, name="data", cls=GroupedCommands)
    app.add_typer(deployment_app, name="deployment", cls=GroupedCommands)
    app.add_typer(warehouse_app, name="warehouse", cls=GroupedCommands)


def _name(command: CommandInfo) -> str:
    return command.name or (command.callback.__name__ if command.callback else "")
