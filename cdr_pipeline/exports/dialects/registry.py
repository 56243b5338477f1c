"""The export dialects by name.

A new dialect is a module of this package with a constant ``DIALECT``, and its name in ``SELECTABLE``. The setting
``CDR_EXPORT_DIALECTS``, the reference pages, exporting, reading back and verifying follow from that. Modules are
imported when they are needed, so that the settings can list the names without loading what the dialects use.
"""

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from cdr_pipeline.errors import ExportError

if TYPE_CHECKING:
    from cdr_pipeline.exports.dialects.dialect import ExportDialect

# The sealed file of a day; the other dialects are made from it.
EXACT: Final = "exact"
# The differences between two versions of a restated day.
ADJUSTMENT: Final = "adjustment"
# Values of CDR_EXPORT_DIALECTS, in the order in which the files of a day are written.
SELECTABLE: Final = (
    EXACT,
    "spreadsheet",
    "xlsx",
    "parquet",
    "redacted",
)
NAMES: Final = (*SELECTABLE, ADJUSTMENT)


def dialect_named(name: str) -> "ExportDialect":
    """The dialect of a name.

    Raises:
        ExportError: no dialect has this name.
    """
    if name not in NAMES:
        raise ExportError(
            f"the export dialect {name!r} is not known",
            hint=f"the dialects of this version are {', '.join(NAMES)}; a file of another one needs a later version",
        )
    return _loaded(name)


def all_dialects() -> "list[ExportDialect]":
    """Every dialect, in the order of ``NAMES``."""
    return [_loaded(name) for name in NAMES]


@cache
def _loaded(name: str) -> "ExportDialect":
    dialect: ExportDialect = import_module(f"cdr_pipeline.exports.dialects.{name}").DIALECT
    return dialect
