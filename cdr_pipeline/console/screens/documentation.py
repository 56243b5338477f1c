"""The shipped pages of documentation."""

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from markdown_it import MarkdownIt
from markupsafe import Markup

from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.sessions import NotVisible, current_user

router = APIRouter(dependencies=[Depends(current_user)])
_SCROLL: Final = '<div class="scroll" tabindex="0" role="group" aria-label="Table">'
_PICTURES: Final = {".svg": "image/svg+xml", ".png": "image/png"}


@router.get("/help")
def topics(request: Request) -> Response:
    """All pages by folder."""
    return page(request, "topics.html", topics={name: _title(text) for name, text in _pages().items()})


@router.get("/help/pictures/{name}")
def picture(name: str) -> Response:
    """A picture of a page."""
    files = {file.name: file for file in _folder().joinpath("pictures").iterdir()}
    suffix = name[name.rfind(".") :] if "." in name else ""
    if name not in files or suffix not in _PICTURES:
        raise NotVisible
    return Response(files[name].read_bytes(), media_type=_PICTURES[suffix])


@router.get("/help/{topic:path}")
def topic(request: Request, topic: str) -> Response:
    """One page. Links between pages, which name files, lead to topics."""
    name = topic.removesuffix(".md")
    text = _pages().get(name)
    if text is None:
        raise NotVisible
    # Raw HTML of a page is shown as text.
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    # Wide parts scroll by keyboard too.
    html = html.replace("<pre>", '<pre tabindex="0">').replace("<table>", _SCROLL + "<table>")
    html = html.replace("</table>", "</table></div>")
    return page(request, "topic.html", title=_title(text), html=Markup(html))  # noqa: S704 - escaped by the renderer


@cache
def _pages() -> dict[str, str]:
    found: dict[str, str] = {}

    def collect(folder: Traversable, prefix: str) -> None:
        for entry in sorted(folder.iterdir(), key=lambda item: item.name):
            if entry.is_dir():
                collect(entry, f"{prefix}{entry.name}/")
            elif entry.name.endswith(".md"):
                found[prefix + entry.name.removesuffix(".md")] = entry.read_text(encoding="utf-8")

    collect(_folder(), "")
    return found


def _folder() -> Traversable:
    return resources.files("cdr_pipeline").joinpath("docs")


def _title(text: str) -> str:
    return next((line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")), "")
