"""How commands print problems: what is wrong, since when, and the command that fixes it."""

from typing import TYPE_CHECKING, Final

from cdr_pipeline.cli.listings import Listing, listing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdr_pipeline.steps.operations.health import Problem

_COLUMNS: Final = ("what", "code", "since", "fix", "otherwise")


def problem_listing(key: str, title: str, fix: str = "fixed by") -> Listing:
    """A list of problems in blocks, so that commands can be copied."""
    return listing(
        key, title, *_COLUMNS, titles={"since": "since (UTC)", "fix": fix, "otherwise": "or else"}, blocks=True
    )


def problem_rows(problems: "Iterable[Problem]") -> list[tuple[object, ...]]:
    """Rows of ``problem_listing``."""
    return [(item.what, item.code, item.since, item.command, item.otherwise or None) for item in problems]
