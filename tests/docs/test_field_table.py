"""The field dictionary, as people read it and as the seed asks for it."""

import re
from pathlib import Path

import pytest

from cdr_pipeline.core.fields import field_table
from cdr_pipeline.core.fields.dictionary import BY_NAME, FIELDS, Field, Kind, Privacy, names
from cdr_pipeline.core.fields.field_table import markdown_table

# The seed's two tables, as printed there.
SEED_LIST = [
    "id", "digits_dialed", "duration_seconds", "billing_seconds", "ringing_seconds", "call_direction", "timestamp",
    "hangup_cause", "call_id", "to_uri", "from_uri",
]  # fmt: skip
SEED_DETAILS = [
    "id", "hangup_cause", "call_id", "other_leg_call_id", "timestamp", "call_direction", "to_uri", "from_uri",
    "duration_seconds", "billing_seconds", "ringing_seconds", "remote_sdp", "local_sdp", "caller_id_name",
    "caller_id_number", "callee_id_name", "callee_id_number", "custom_channel_vars.endpoint_id",
    "custom_channel_vars.tenant_id", "custom_channel_vars.access_group", "custom_channel_vars.username",
    "custom_channel_vars.realm", "custom_channel_vars.account_id", "custom_channel_vars.inception",
    "custom_channel_vars.authorizing_id", "cid_type", "user_agent", "digits_dialed", "handling_server_name",
    "app_name", "app_version", "event_name", "event_category", "server_id",
]  # fmt: skip
SEED_PAGE = Path(__file__).resolve().parents[3] / "shared" / "seed-cdr-api.txt"
GOLDEN = Path(__file__).parents[1] / "golden" / "exported_columns.txt"


def cells() -> list[list[str]]:
    """The lines of the table below its header, cut at the bars that are not escaped."""
    lines = markdown_table().split("\n")[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.parametrize("name", sorted({*SEED_LIST, *SEED_DETAILS}))
def test_each_field_of_the_seed_is_one_field_of_the_dictionary(name: str) -> None:
    assert len([field for field in FIELDS if field.seed == name]) == 1


def test_the_dictionary_names_no_seed_field_that_the_seed_has_not() -> None:
    assert {field.seed for field in FIELDS if field.seed} == {*SEED_LIST, *SEED_DETAILS}


def test_the_lists_above_are_those_of_the_seed() -> None:
    if not SEED_PAGE.is_file():
        pytest.skip("the seed's page is not beside this checkout")
    printed = re.findall(r"^([a-z_.]+) .* no$", SEED_PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert printed == SEED_LIST + SEED_DETAILS


def test_names_are_unique_and_in_lower_snake_case() -> None:
    assert len(BY_NAME) == len(FIELDS)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", field.name) for field in FIELDS)


def test_columns_begin_with_those_of_today_in_their_order() -> None:
    golden = GOLDEN.read_text(encoding="utf-8").split()
    assert list(names(exported_only=True))[: len(golden)] == golden


def test_the_table_has_a_line_for_each_column_in_the_order_of_the_file() -> None:
    assert [line[0] for line in cells()] == list(names(exported_only=True))


def test_each_line_has_six_cells_and_none_but_the_seeds_is_empty() -> None:
    for line in cells():
        assert len(line) == 6
        assert all(cell for position, cell in enumerate(line) if position != 3)


def test_the_field_table_names_the_seeds_column_and_the_sources() -> None:
    by_name = {line[0]: line for line in cells()}
    assert by_name["record_id"][3:] == ["id", "list `id`, document `id`", "identifier"]
    assert by_name["callee_e164"][4].startswith("dialed_number, else callee_id_number")
    assert by_name["ringing_seconds"][4] == "document `ringing_seconds`"
    assert by_name["rate"][4] == "list `rate`"


def test_a_bar_in_a_description_does_not_break_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    field = Field("either", Kind.TEXT, "this | that", Privacy.NONE, longest=1, derived="a|b")
    monkeypatch.setattr(field_table, "FIELDS", (field,))
    ((name, _, meaning, _, source, _),) = cells()
    assert (name, meaning, source) == ("either", r"this \| that", r"a\|b")


def test_every_description_is_a_sentence_that_ends() -> None:
    assert [field.name for field in FIELDS if not field.description.endswith(".")] == []
