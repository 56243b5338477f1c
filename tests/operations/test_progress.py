"""What of a step's progress reaches the log of its run."""

from cdr_pipeline.defs.progress import PacedProgress


def test_repeated_log_lines_are_shown_once_and_counted() -> None:
    said: list[str] = []
    seconds = [0.0]
    progress = PacedProgress(said.append, now=lambda: seconds[0])
    for number in range(1000):
        progress(f"loaded {number}")
    assert said == ["loaded 0"]
    seconds[0] = 5.0
    progress("loaded 1000")
    assert said == ["loaded 0", "loaded 1000 (999 more before it)"]
    seconds[0] = 60.0
    progress("loaded 1001")
    assert said[-1] == "loaded 1001"
