"""``--help`` of commands: in groups, by what they are used for, and with whole sentences."""

from typing import Any, Final

from typer.core import TyperGroup

# Titles in the order in which ``--help`` shows them.
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "Start": ("demo", "docs", "config", "accounts", "up", "ui", "serve", "simulate"),
    "Every night": ("nightly", "collect", "status", "doctor", "alerts"),
    "Files in": ("import", "inbound", "uploads", "rejects", "profiles"),
    "Files out": ("export", "export-month", "verify-export", "days", "deliver", "deliveries", "fields"),
    "Reconciliation": ("reconcile", "reconcile-files", "breaks", "invoices"),
    "Administration": (
        "backup",
        "restore",
        "upgrade",
        "users",
        "tokens",
        "webhooks",
        "warehouse",
        "data",
        "deployment",
    ),
}
# Group of commands that are in none.
_OTHERS: Final = "Administration"
# Longer than any first sentence: nothing is cut.
_WHOLE: Final = 1_000


class GroupedCommands(TyperGroup):
    """Lists commands under the titles of ``GROUPS``; other ones last. Commands of a group have one title."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - types of the bundled Click are private
        """Writes one section for each group that has commands."""
        titles = {name: title for title, names in GROUPS.items() for name in names}
        rows: dict[str, list[tuple[str, str]]] = {title: [] for title in (*GROUPS, "Commands")}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                title = titles.get(name, _OTHERS) if ctx.parent is None else "Commands"
                rows[title].append((name, command.get_short_help_str(_WHOLE)))
        for title, listed in rows.items():
            if listed:
                order = {name: number for number, name in enumerate(GROUPS.get(title, ()))}
                with formatter.section(title):
                    formatter.write_dl(sorted(listed, key=lambda row: order.get(row[0], len(order))))
