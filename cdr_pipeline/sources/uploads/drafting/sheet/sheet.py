"""Records of a sample, and the layout that reads them."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Sheet:
    """Records of a sample, and the layout that reads them.

    Attributes:
        layout: keys of ``[layout]`` with their values.
        names: names of the columns as a profile writes them.
        columns: values by column, "" for none, without the blanks around them.
        titles: names as the header writes them.
        decided: sentences about what the file shows.
        has_header: whether names come from the file.
        footers: lines at the end that are no records.
        nested: whether columns are paths into JSON.
    """

    layout: dict[str, Any] = field(default_factory=dict[str, Any])
    names: list[str] = field(default_factory=list[str])
    columns: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    titles: list[str] = field(default_factory=list[str])
    decided: list[str] = field(default_factory=list[str])
    has_header: bool = True
    footers: list[list[str]] = field(default_factory=list[list[str]])
    nested: bool = False

    @property
    def rows(self) -> int:
        """Number of records in the sample."""
        return len(next(iter(self.columns.values()), []))
