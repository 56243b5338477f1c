"""English texts that keep their template and values, so that a page can show them in another language."""

from collections.abc import Mapping
from typing import Self


class ComposedText(str):
    """An English text made of a template and values.

    It is a plain string everywhere else. A page in another language translates the template and formats the values.

    Args:
        template: text with ``{name}`` for each value.
        values: values by name; their ``str`` is shown in English.
    """

    __slots__ = ("template", "values")
    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, /, **values: object) -> Self:
        """Composes the text. Without values, the template is the text."""
        composed = super().__new__(cls, template.format(**values) if values else template)
        composed.template, composed.values = template, values
        return composed


def counted(count: int, one: str, several: str) -> ComposedText:
    """A number with its noun, such as ``1 row`` or ``2 rows``.

    Args:
        count: the number.
        one: template for 1, with ``{count}``.
        several: template for every other number, with ``{count}``.
    """
    return ComposedText(one if count == 1 else several, count=count)
