"""Tables of screens as files: the same address with ``format=csv`` or ``format=xlsx`` and the same filters."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Generic, TypeVar

from fastapi import Request
from fastapi.responses import Response

from cdr_pipeline.console.links import require_signed
from cdr_pipeline.console.service import service_of
from cdr_pipeline.exports.screen_tables import Cell, TableFormat, table_file
from cdr_pipeline.steps.accounts.users import Permission, SignedIn, record_event

_TYPES: Final[Mapping[TableFormat, str]] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_Item = TypeVar("_Item")


class TableExport(Generic[_Item]):
    """A table that can be downloaded.

    Args:
        name: name of the file without suffix, and of the sheet.
        columns: value of a row by the title of its column.
        private: columns with numbers, names or texts of callers; left out for users who may not download exact files.
    """

    def __init__(self, name: str, columns: Mapping[str, Callable[[_Item], Cell]], private: Iterable[str] = ()) -> None:
        self.name = name
        self._columns = dict(columns)
        self._private = frozenset(private)

    def file(self, request: Request, user: SignedIn, rows: Iterable[_Item]) -> Response:
        """The file that the request, a link of a page, asks for; the download is recorded."""
        require_signed(request)
        kind = wanted_format(request)
        assert kind is not None  # noqa: S101 - the caller has asked
        hidden = frozenset[str]() if user.may(Permission.EXACT_FILES) else self._private
        columns = {name: value for name, value in self._columns.items() if name not in hidden}
        table = [{name: value(row) for name, value in columns.items()} for row in rows]
        content = table_file(self.name, table, list(columns), kind)
        record_event(user, "download table", service_of(request).ctx, subject=f"{self.name}.{kind}: {len(table)} rows")
        return Response(
            content,
            media_type=_TYPES[kind],
            headers={"Content-Disposition": f'attachment; filename="{self.name}.{kind}"'},
        )


def wanted_table(request: Request) -> str:
    """Name of the table that the address asks for as a file, on a page with several; empty for the page."""
    return request.query_params.get("table", "") if wanted_format(request) else ""


def wanted_format(request: Request) -> TableFormat | None:
    """The format that the address asks for; None for the page."""
    return next((kind for kind in _TYPES if request.query_params.get("format") == kind), None)
