"""Every copy of the records for others follows from the privacy class of each field."""

import logging
import subprocess
import sys

import polars as pl
import pytest

from cdr_pipeline.core.fields.dictionary import DROPPED, EMPTIED, FIELDS, HASHED, MASKED, UNLOGGED, Field, Kind, Privacy
from cdr_pipeline.core.fields.field_table import rows
from cdr_pipeline.exports.dialects.redacted import redacted
from cdr_pipeline.privacy.redaction import RedactingFilter
from cdr_pipeline.warehouse.statements import MASKED_TABLES

NEW_FIELD = """
import sys, types
from pathlib import Path
import cdr_pipeline.core.fields
path = Path(cdr_pipeline.core.fields.__file__).with_name("dictionary.py")
begin = "FIELDS: Final[tuple[Field, ...]] = ("
added = "Field('added_email', Kind.TEXT, 'E-mail of the person who pays.', Privacy.NAME, longest=256),"
module = types.ModuleType("cdr_pipeline.core.fields.dictionary")
sys.modules[module.__name__] = module
exec(compile(path.read_text().replace(begin, begin + added, 1), str(path), "exec"), module.__dict__)
import polars as pl
from cdr_pipeline.exports.dialects.redacted import redacted
from cdr_pipeline.warehouse.statements import MASKED_TABLES, statement
cells = redacted(pl.DataFrame({"added_email": ["zoe@example.com"]}), "key")
print(cells["added_email"].to_list())
print("added_email" in MASKED_TABLES[0]["assignments"].as_string())
print("added_email" in statement("retention/find_records").decode())
print("added_email" in module.UNLOGGED)
"""


def test_a_field_without_a_privacy_class_fails_at_import() -> None:
    with pytest.raises(TypeError, match="privacy"):
        Field("added_email", Kind.TEXT, "E-mail of the person who pays.", longest=256)  # type: ignore[call-arg]


@pytest.mark.parametrize("privacy", Privacy)
def test_every_privacy_class_states_what_copies_show(privacy: Privacy) -> None:
    assert privacy.redaction
    assert privacy.masking
    assert isinstance(privacy.is_searched_for_erasure, bool)


def test_a_new_private_field_is_hidden_in_every_copy() -> None:
    done = subprocess.run([sys.executable, "-c", NEW_FIELD], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[None]", "True", "True", "True"]


def test_fields_that_hold_a_number_are_never_shown_as_they_are() -> None:
    private = {field.name for field in FIELDS if field.privacy is not Privacy.NONE}
    assert private == {*HASHED, *DROPPED}
    assert {*MASKED, *EMPTIED} == {name for name in private if name not in HASHED} | {
        field.name for field in FIELDS if field.privacy is Privacy.NUMBER
    }


def test_redacted_cells_show_no_private_text() -> None:
    cells = pl.DataFrame({field.name: [f"text of {field.name}"] for field in FIELDS if field.exported})
    shown = redacted(cells, "key").row(0, named=True)
    clear = {name for name, value in shown.items() if value == f"text of {name}"}
    assert clear == {field.name for field in FIELDS if field.exported and field.privacy is Privacy.NONE}


def test_masking_names_every_private_column_of_both_tables() -> None:
    for table in MASKED_TABLES:
        assert all(f'"{name}" = ' in table["assignments"].as_string() for name in (*MASKED, *EMPTIED))


@pytest.mark.parametrize("shape", ["{}=Ada Fine", '{{"{}": "Ada Fine", "cost": 1}}', "{}: Ada"])
@pytest.mark.parametrize("name", UNLOGGED)
def test_a_log_line_shows_no_value_of_a_private_field(name: str, shape: str) -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, shape.format(name), (), None)
    RedactingFilter(UNLOGGED).filter(record)
    assert "Ada" not in record.getMessage()


def test_the_field_table_shows_the_privacy_class() -> None:
    assert {row[0]: row[-1] for row in rows()}["caller_id_name"] == "name"
