"""``cdr-pipeline docs``: the pages of ``cdr_pipeline/docs`` in the terminal."""

from pathlib import Path
from typing import Annotated, Final

import typer

from cdr_pipeline.cli.listings import listing as declared
from cdr_pipeline.cli.reports import reports, show

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs"
_PAGES: Final = declared("pages", "Documentation: cdr-pipeline docs TOPIC", "topic", "title")


@reports(_PAGES)
def docs(
    topic: Annotated[
        str, typer.Argument(help="Page to show, such as operator or reference/settings.", show_default=False)
    ] = "",
    *,
    listing: Annotated[bool, typer.Option("--list", help="List the pages.")] = False,
) -> None:
    """Show a page of the documentation. Without a topic, list the pages.

    On a terminal the page is formatted and opens in a pager; in a pipe it is plain Markdown.
    """
    if listing or not topic:
        _list_pages()
        return
    text = _find_page(topic).read_text(encoding="utf-8")
    from cdr_pipeline.cli.terminal import out

    if not out.is_terminal:
        typer.echo(text, nl=False)
        return
    from rich.markdown import Markdown

    with out.pager(styles=True, links=False):
        out.print(Markdown(text, hyperlinks=False))


def pages() -> dict[str, Path]:
    """Every page by topic: its path below the folder without the suffix."""
    return {str(path.relative_to(FOLDER).with_suffix("")): path for path in sorted(FOLDER.rglob("*.md"))}


def title_of(page: Path) -> str:
    """The first heading of a page."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return next((line.removeprefix("# ") for line in lines if line.startswith("# ")), page.stem)


def _find_page(topic: str) -> Path:
    available = pages()
    query = topic.lower().removesuffix(".md").removeprefix("cdr_pipeline/docs/").replace(" ", "-")
    matches = [name for name in available if name == query or name.rpartition("/")[2] == query]
    if not matches:
        matches = [name for name in available if query in name]
    if len(matches) != 1:
        names = ", ".join(matches or available)
        raise typer.BadParameter(f"{'several pages match' if matches else 'no such page; the pages are'}: {names}")
    return available[matches[0]]


def _list_pages() -> None:
    show(_PAGES, ((name, title_of(page)) for name, page in pages().items()))
