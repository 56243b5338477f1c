"""Rejected lines come back: exported in the format of their file, corrected, fed again, linked and closed."""

from pathlib import Path

import pytest

from cdr_pipeline.errors import UnreadableUpload
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import LoadedUpload
from cdr_pipeline.steps.uploads.rejects import export_rejects, replay_rejects
from tests.support.nights import require_sound, warehouse
from tests.support.uploads import HEADER, carrier_row, carrier_text, fed, opened, own_profile, stored

AVAYA = "2026/03/02 09:00:00,{},4,0049305550101,I,200,200,,0,1000014155,{},E201,A,T,L,0,0" + "," * 13 + "\r\n"
FIXED = """
description = "fixed"
[layout]
format = "fixed"
[layout.widths]
caller = [1, 13]
callee = [14, 13]
start = [27, 14]
seconds = [41, 5]
[time]
formats = ["%Y%m%d%H%M%S"]
zone = "UTC"
[fields]
caller_id_number = "caller"
callee_id_number = "callee"
started_at = "start"
billing_seconds = "seconds"
"""


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    return opened(ctx)


def exported(loaded: LoadedUpload, ctx: RunContext, path: Path) -> str:
    """The reject file of an upload, written and as text."""
    text = "".join(export_rejects(loaded.sha256[:12], ctx).lines)
    path.write_bytes(text.encode())
    return text


def replayed(path: Path, text: str, ctx: RunContext) -> LoadedUpload:
    """A corrected reject file, fed."""
    path.write_bytes(text.encode())
    loaded = replay_rejects(path, ctx)
    require_sound(ctx)
    return loaded


def states(ctx: RunContext) -> list[tuple[object, ...]]:
    """Rejects: line, reason, state."""
    return warehouse(ctx, "SELECT line, reason, state FROM rejects ORDER BY line, rejected_at, state")


def test_a_reject_file_has_its_sources_format_with_upload_line_and_reason(place: RunContext, tmp_path: Path) -> None:
    loaded = fed(place, tmp_path / "f.csv", carrier_text(1) + carrier_row(2, start="yesterday") + "cut\n")
    mark = loaded.sha256[:16]
    assert exported(loaded, place, tmp_path / "rejects.csv").splitlines() == [
        HEADER.strip() + ",reject_upload,reject_line,reject_reason",
        carrier_row(2, start="yesterday").strip() + f",{mark},3,not_a_time:started_at",
        f"cut,{mark},4,ragged_row",
    ]


def test_corrected_lines_are_merged_linked_to_the_first_upload_and_closed(place: RunContext, tmp_path: Path) -> None:
    loaded = fed(place, tmp_path / "f.csv", carrier_text(1) + carrier_row(2, start="yesterday"))
    text = exported(loaded, place, tmp_path / "r.csv").replace("yesterday", "2026-03-02T10:00:00Z")
    fixed = replayed(tmp_path / "r.csv", text, place)
    assert (fixed.counts.read, fixed.counts.merged, fixed.counts.filtered) == (2, 1, 1)
    assert stored(place) == [("generic:id:c1",), ("generic:id:c2",)]
    assert states(place) == [(3, "not_a_time", "corrected")]
    assert warehouse(place, "SELECT corrects FROM uploads WHERE corrects IS NOT NULL") == [(loaded.sha256,)]
    assert stored(place, "source_line", "record_id = 'generic:id:c2'") == [(3,)]


def test_what_is_still_wrong_is_rejected_again_and_may_be_corrected_again(place: RunContext, tmp_path: Path) -> None:
    text = carrier_text(1) + carrier_row(2, start="yesterday") + carrier_row(3, start="tomorrow")
    loaded = fed(place, tmp_path / "f.csv", text)
    once = exported(loaded, place, tmp_path / "r1.csv").replace("yesterday", "2026-03-02T10:00:00Z")
    second = replayed(tmp_path / "r1.csv", once, place)
    assert second.reject_reasons == {"not_a_time": 1}
    assert states(place) == [
        (3, "not_a_time", "corrected"), (4, "not_a_time", "corrected"), (4, "not_a_time", "open"),
    ]  # fmt: skip
    twice = exported(second, place, tmp_path / "r2.csv")
    assert twice.splitlines()[1].endswith(f"{loaded.sha256[:16]},4,not_a_time:started_at")
    third = replayed(tmp_path / "r2.csv", twice.replace("tomorrow", "2026-03-02T11:00:00Z"), place)
    assert third.counts.merged == 1
    assert {state for *_, state in states(place)} == {"corrected"}
    assert len(stored(place)) == 3


def test_a_line_without_an_identity_that_is_corrected_twice_is_one_record(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "plain", "[fields]\nstarted_at = 'start'\nbilling_seconds = 'billed'\n")
    loaded = fed(place, tmp_path / "f.csv", "start,billed\n2026-03-02 09:00:00,x\n", "plain")
    text = exported(loaded, place, tmp_path / "r.csv")
    replayed(tmp_path / "a.csv", text.replace(",x,", ",60,"), place)
    again = replayed(tmp_path / "b.csv", text.replace(",x,", ",66,"), place)
    assert again.counts.updated == 1
    assert stored(place, "billing_seconds::int") == [(66,)]
    assert warehouse(place, "SELECT billing_seconds::int FROM cdr_history") == [(60,)]


def test_the_same_corrected_file_again_gives_the_first_result(place: RunContext, tmp_path: Path) -> None:
    loaded = fed(place, tmp_path / "f.csv", carrier_text(1) + carrier_row(2, start="yesterday"))
    text = exported(loaded, place, tmp_path / "r.csv").replace("yesterday", "2026-03-02T10:00:00Z")
    first = replayed(tmp_path / "r.csv", text, place)
    again = replayed(tmp_path / "other-name.csv", text, place)
    assert again.known
    assert again.counts == first.counts


def test_a_line_that_was_left_out_of_the_corrected_file_stays_open(place: RunContext, tmp_path: Path) -> None:
    text = carrier_text(1) + carrier_row(2, start="yesterday") + carrier_row(3, start="tomorrow")
    loaded = fed(place, tmp_path / "f.csv", text)
    lines = exported(loaded, place, tmp_path / "r.csv").splitlines(keepends=True)
    replayed(tmp_path / "r.csv", lines[0] + lines[1].replace("yesterday", "2026-03-02T10:00:00Z"), place)
    assert [(line, state) for line, _, state in states(place)] == [(3, "corrected"), (4, "open")]


def test_a_broken_quote_and_a_field_of_two_lines_come_back_as_they_were(place: RunContext, tmp_path: Path) -> None:
    bad = [carrier_row(2, caller='"lost'), carrier_row(3, caller='"two\nlines"', start="never")]
    loaded = fed(place, tmp_path / "f.csv", HEADER + "".join(bad))
    text = exported(loaded, place, tmp_path / "r.csv")
    fixed = replayed(tmp_path / "r.csv", text.replace('"lost', "lost").replace("never", "2026-03-02T10:00:00Z"), place)
    assert fixed.counts.merged == 2
    assert stored(place, "caller_id_number, source_line") == [("lost", 2), ("two\nlines", 3)]


def test_a_reject_file_that_a_spreadsheet_quoted_is_read(place: RunContext, tmp_path: Path) -> None:
    loaded = fed(place, tmp_path / "f.csv", carrier_text(1) + carrier_row(2, start="yesterday"))
    text = exported(loaded, place, tmp_path / "r.csv").replace("yesterday", "2026-03-02T10:00:00Z")
    quoted = "\ufeff" + "\r\n".join(
        ",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines()
    )  # fmt: skip
    assert replayed(tmp_path / "r.csv", quoted, place).counts.merged == 1


def test_json_lines_return_as_documents_and_other_text_as_text(place: RunContext, tmp_path: Path) -> None:
    good = '{"sid": "CA1", "start_time": "Mon, 02 Mar 2026 09:00:00 +0000", "duration": "6"}\n'
    bad = good.replace("CA1", "CA2").replace("Mon, 02 Mar", "Tue, 32 Mar")
    loaded = fed(place, tmp_path / "f.jsonl", good + bad + '{"sid": "CA3", \n', "twilio")
    text = exported(loaded, place, tmp_path / "r.jsonl")
    assert '"reject_line":2,"reject_reason":"not_a_time:started_at"' in text
    mended = text.replace("Tue, 32 Mar", "Tue, 03 Mar").replace(
        '{\\"sid\\": \\"CA3\\", ', '{\\"sid\\": \\"CA3\\", \\"start_time\\": \\"Tue, 03 Mar 2026 09:00:00 +0000\\"}'
    )
    fixed = replayed(tmp_path / "r.jsonl", mended, place)
    assert (fixed.counts.merged, fixed.counts.rejected) == (2, 0)
    assert stored(place, "record_id, source_line") == [(f"twilio:id:CA{number}", number) for number in (1, 2, 3)]
    assert stored(place, "extra::text", "extra::text LIKE '%reject%'") == []


def test_fixed_width_lines_come_back_with_their_columns_where_they_were(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "fixed", FIXED)
    line = f"{'+12125550100':13s}{'+442055501012':13s}20260302090000{'60':5s}\n"
    loaded = fed(place, tmp_path / "f.txt", line + line.replace("20260302", "2026XX02"), "fixed")
    assert loaded.reject_reasons == {"not_a_time": 1}
    text = exported(loaded, place, tmp_path / "r.txt")
    assert text.startswith("+12125550100 +4420555010122026XX0209000060   \t")
    assert replayed(tmp_path / "r.txt", text.replace("XX", "03"), place).counts.merged == 1
    assert stored(place, "callee_e164, billing_seconds::int") == [("+442055501012", 60)] * 2


def test_a_corrected_line_has_the_date_in_the_name_of_its_first_file(place: RunContext, tmp_path: Path) -> None:
    row = "   0906{}7  9701   00442055501012000" + " " * 23
    loaded = fed(place, tmp_path / "smdr_20260302.txt", row.format("0x15") + "\n", "avaya_cm")
    text = exported(loaded, place, tmp_path / "rejects.txt")
    assert replayed(tmp_path / "rejects.txt", text.replace("0x15", "0015"), place).counts.merged == 1
    assert warehouse(place, "SELECT started_at::text FROM cdr") == [("2026-03-02 08:04:30+00",)]


def test_equal_rows_of_files_dated_by_their_names_are_two_calls(place: RunContext, tmp_path: Path) -> None:
    row = "   090600157  9701   00442055501012000" + " " * 23 + "\n"
    for day, more in (("20260302", ""), ("20260303", row.replace("0906", "0907"))):
        fed(place, tmp_path / f"smdr_{day}.txt", row + more, "avaya_cm")
    starts = [("2026-03-02 08:04:30+00",), ("2026-03-03 08:04:30+00",), ("2026-03-03 08:05:30+00",)]
    assert warehouse(place, "SELECT started_at::text FROM cdr ORDER BY 1") == starts


def test_a_call_of_two_rows_comes_back_as_two_rows(place: RunContext, tmp_path: Path) -> None:
    text = AVAYA.format("00:00:20", "1") + AVAYA.format("soon", "0")
    loaded = fed(place, tmp_path / "f.csv", text, "avaya_smdr")
    assert (loaded.counts.read, loaded.counts.rejected, loaded.counts.filtered) == (2, 1, 1)
    rejects = exported(loaded, place, tmp_path / "r.csv")
    assert len(rejects.splitlines()) == 2
    fixed = replayed(tmp_path / "r.csv", rejects.replace("soon", "00:00:10"), place)
    assert (fixed.counts.read, fixed.counts.merged, fixed.counts.filtered) == (2, 1, 1)
    assert stored(place, "billing_seconds::int") == [(30,)]
    assert {state for *_, state in states(place)} == {"corrected"}


def test_a_file_in_another_encoding_comes_back_as_utf_8(place: RunContext, tmp_path: Path) -> None:
    own_profile(place, "western", "[layout]\nencoding = 'cp1252'\n[fields]\nstarted_at = 's'\ncaller_id_name = 'n'\n")
    loaded = fed(place, tmp_path / "f.csv", "s,n\nnever,Zoë\n".encode("cp1252"), "western")
    text = exported(loaded, place, tmp_path / "r.csv")
    assert "Zoë" in text
    replayed(tmp_path / "r.csv", text.replace("never", "2026-03-02 09:00:00"), place)
    assert stored(place, "caller_id_name") == [("Zoë",)]


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "", HEADER + carrier_row(1)])
def test_a_file_that_is_no_reject_file_is_refused(place: RunContext, tmp_path: Path, text: str) -> None:
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(UnreadableUpload, match="no reject file"):
        replay_rejects(tmp_path / "r.csv", place)


def test_lines_of_two_uploads_in_one_file_are_refused(place: RunContext, tmp_path: Path) -> None:
    one = fed(place, tmp_path / "a.csv", carrier_text(1) + carrier_row(2, start="yesterday"))
    two = fed(place, tmp_path / "b.csv", carrier_text(3) + carrier_row(4, start="yesterday"))
    text = exported(one, place, tmp_path / "r.csv") + exported(two, place, tmp_path / "s.csv").splitlines()[1] + "\n"
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(UnreadableUpload, match="several uploads"):
        replay_rejects(tmp_path / "r.csv", place)
    assert len(stored(place)) == 2
