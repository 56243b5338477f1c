"""Drafts of real files, without their built-in profile: the records have the values of the built-in profile."""

from pathlib import Path

import polars as pl
import pytest

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.drafting import profile_draft
from cdr_pipeline.sources.uploads.drafting.profile_draft import draft_profile
from cdr_pipeline.sources.uploads.profiles import load_profile, read_profile
from tests.support.uploads import normalized

# file: built-in profile, answers, fields of the built-in profile that the draft does not have
FILES: dict[str, tuple[str, dict[str, str], set[str]]] = {
    "asterisk_pjsip_Master.csv": ("asterisk_custom", {}, set()),
    "freepbx_cdr_report_download.csv": ("freepbx", {}, set()),
    "freeswitch_docs_Master.csv": ("freeswitch", {}, set()),
    "pbxware_asterisk_cdr_NULL_strings.csv": ("pbxware", {}, set()),
    "cisco_cucm_cdr_typed_header.txt": ("cucm", {}, set()),
    # The draft finds more than the built-in profile: the id of the call, and words of the outcome.
    "generic_epoch_e164_cdrs.csv": ("generic", {"currency": "EUR"}, {"call_id", "disposition", "cost_currency"}),
}
IDENTITY = {"carrier", "record_id", "extra_source", "raw", "line"}


@pytest.fixture(autouse=True)
def without_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Built-in profiles are compared in other tests; here, that would take most of the time."""
    monkeypatch.setattr(profile_draft, "fitting_profiles", lambda *_: [])


def drafted(path: Path, answers: dict[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    draft = draft_profile(path, answers=answers)
    assert "FILL IN" not in draft.text
    assert not draft.questions
    rows, rejects, _ = normalized(path, read_profile("drafted", draft.text), zone="UTC")
    return rows, rejects


@pytest.mark.parametrize("name", FILES)
def test_a_draft_has_the_values_of_the_built_in_profile(samples: Path, name: str) -> None:
    profile, answers, more = FILES[name]
    rows, rejects = drafted(samples / name, answers if profile in ("generic", "cucm") else {"zone": "UTC", **answers})
    expected, *_ = normalized(samples / name, load_profile(profile), zone="UTC")
    assert rejects.is_empty()
    columns = [column for column in expected.columns if column not in IDENTITY | more]
    assert rows.select(columns).rows(named=True) == expected.select(columns).rows(named=True)


def test_what_says_nothing_about_a_call_is_no_draft(samples: Path) -> None:
    with pytest.raises(UnreadableUpload, match="holds no calls"):
        draft_profile(samples / "kazoo_error_401.json")
    # A document without start, length and callee: which time is the start is a question, not a guess.
    draft = draft_profile(samples / "kazoo_couch_fixture_cdr.json")
    assert [(question.key, question.choices) for question in draft.questions] == [
        ("started_at", ("pvt_created", "pvt_modified"))
    ]
    assert 'started_at = "FILL IN: pvt_created or pvt_modified"' in draft.text
    assert (
        'started_at = "pvt_created"'
        in draft_profile(samples / "kazoo_couch_fixture_cdr.json", answers={"started_at": "pvt_created"}).text
    )
