"""The generated reference pages are up to date."""

import pytest

from cdr_pipeline.sources.uploads.profile_file import schema_text
from tests.support.reference_pages import FOLDER, SCHEMA_FILE, pages


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.md")))
def test_a_reference_page_is_the_generated_one(name: str) -> None:
    committed = (FOLDER / name).read_text(encoding="utf-8")
    assert committed == pages()[name], "run: python tests/support/reference_pages.py"


def test_every_generated_page_is_committed() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.md")) == sorted(pages())


def test_the_schema_that_profiles_name_is_the_generated_one() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run: python tests/support/reference_pages.py"
