"""Every error has a code of its own, a place by topic, and a line in the reference."""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator

from cdr_pipeline import errors
from cdr_pipeline.cli.operations.docs import pages


def error_classes() -> Iterator[type[errors.CdrError]]:
    """Error classes of every topic, each with the class that defines its code."""
    for module in pkgutil.iter_modules(errors.__path__):
        topic = importlib.import_module(f"{errors.__name__}.{module.name}")
        for item in vars(topic).values():
            if isinstance(item, type) and issubclass(item, errors.CdrError) and item.__module__ == topic.__name__:
                yield item


def test_every_code_belongs_to_one_class() -> None:
    codes = Counter(kind.code for kind in error_classes() if "code" in vars(kind))
    assert len(codes) > 40
    assert [code for code, times in codes.items() if times > 1] == []


def test_every_error_is_exported_by_the_package() -> None:
    assert {kind.__name__ for kind in error_classes()} == set(errors.__all__)


def test_every_code_is_documented() -> None:
    page = pages()["reference/exit-codes"].read_text("utf-8")
    codes = {kind.code for kind in error_classes()} - {errors.CdrError.code}
    assert sorted(code for code in codes if f"| `{code}` |" not in page) == []
