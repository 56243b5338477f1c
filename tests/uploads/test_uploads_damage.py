"""Example files of every system, damaged at random: whatever happens to a file, its lines are all accounted for."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdr_pipeline.core.normalize.imported import normalize_imported
from cdr_pipeline.core.normalize.segments import join_segments
from cdr_pipeline.core.records.identity import with_digests, with_record_ids
from cdr_pipeline.core.records.validate import validate
from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.sources.uploads.date_order import with_date_order
from cdr_pipeline.sources.uploads.parse import read_upload
from cdr_pipeline.sources.uploads.profiles import load_profile
from tests.support.examples import examples
from tests.support.uploads import EXAMPLE_FILES

FILES = EXAMPLE_FILES
LATEST = datetime(2030, 1, 1, tzinfo=UTC)
WORDS = [
    "", "0", "-1", "NULL", "1e5", "1.23E+15", "9" * 40, "0.000000001", "99999999999.99999999", "24:00:00",
    "999999:59:59",    "2026-02-30 00:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59",
    "\u202e", "é", '"', '""', ",", ";", "\n", "\r\n",
    "\r", "\x00", "\x1e", "\\", "+99:99", "-99", "NaN", "Infinity", "null", "{}", "[", "\ufeff", "\u2028", "٣٤",
]  # fmt: skip
DAMAGE = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 30), st.sampled_from(WORDS)), min_size=1, max_size=6
)  # fmt: skip


def damaged(text: str, damage: list[tuple[float, int, str]]) -> str:
    """The text with some of its characters replaced by something else."""
    for place, length, word in damage:
        start = int(place * len(text))
        text = text[:start] + word + text[start + length :]
    return text


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
@given(DAMAGE, st.integers(1, 400))
@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_refused_or_every_line_of_it_has_a_place(
    tmp_path: Path, name: str, damage: list[tuple[float, int, str]], block: int
) -> None:
    path = tmp_path / "f"
    path.write_text(damaged(FILES[name].read_text(), damage), newline="")
    try:
        profile = with_date_order(path, load_profile(name))
        parts = list(read_upload(path, profile, block=block))
    except UnreadableUpload:
        return
    for part in parts:
        joined = join_segments(part.frame, profile)
        sifted = normalize_imported(
            joined.rows, profile, account_id="a", account_time_zone="Europe/Berlin", account_country_code="49"
        )
        accepted = validate(with_record_ids(sifted.rows, "acme"), latest=LATEST)
        with_digests(accepted.rows.with_columns(pl.lit(None, pl.String).alias("detail_source")))
        rejects = part.rejects.height + joined.rejects.height + sifted.rejects.height + accepted.rejects.height
        placed = accepted.rows.height + rejects + part.aside.height + len(joined.joined)
        assert placed == part.read
