"""Durations and billed times, by their sizes and by the times of the same rows."""

from collections.abc import Callable, Mapping, Sequence

from cdr_pipeline.sources.uploads.drafting.columns.column_words import DATE
from cdr_pipeline.sources.uploads.drafting.columns.contents import Contents
from cdr_pipeline.sources.uploads.drafting.columns.roles import Choice

SHORT, _LONG = 2, 5


def _seconds_between(first: Contents | None, later: Contents | None) -> list[float | None]:
    if first is None or later is None:
        return []
    return [
        (other - one).total_seconds() if one is not None and other is not None else None
        for one, other in zip(first.times(), later.times(), strict=True)
    ]


def _agrees(counts: Sequence[str], seconds: Sequence[float | None]) -> bool:
    """Whether counts are the seconds between two times, within one second."""
    pairs = [
        (float(count), second)
        for count, second in zip(counts, seconds, strict=bool(seconds))
        if count and second is not None
    ]
    return bool(pairs) and sum(abs(count - second) <= 1 for count, second in pairs) >= len(pairs) * 0.9


def take_lengths(
    counts: list[str], contents: Mapping[str, Contents], choices: dict[str, Choice], take: Callable[..., None]
) -> None:
    """Chooses the durations: proven by the times of the same rows, else small whole numbers after the start."""
    whole = _seconds_between(*(_chosen_contents(role, contents, choices) for role in ("started_at", "ended_at")))
    talk = _seconds_between(*(_chosen_contents(role, contents, choices) for role in ("answered_at", "ended_at")))
    rest = list(counts)
    for role, seconds, moment in (("duration_seconds", whole, "start"), ("billing_seconds", talk, "answer")):
        if role not in choices and seconds:
            proven = next((name for name in rest if _agrees(contents[name].values, seconds)), None)
            if proven:
                take(role, proven, f"the seconds between {moment} and end", "certain")
                rest.remove(proven)
    if "duration_seconds" in choices:
        if "billing_seconds" not in choices:
            after = choices["duration_seconds"].columns[0]
            following = [name for name in rest if list(contents).index(name) == list(contents).index(after) + 1]
            if following and _never_more(contents[following[0]], contents[after]):
                take("billing_seconds", following[0], "seconds after the duration, and never more", "likely")
        return
    lengths = [
        name
        for name in rest
        if len(contents[name].distinct) > 1
        and not contents[name].counts_rows
        and all(len(value) <= _LONG for value in contents[name].distinct)
    ]
    starts = choices.get("started_at") or choices.get(DATE)
    if starts and lengths:
        place = list(contents).index(starts.columns[0])
        after_start = [name for name in lengths if list(contents).index(name) > place]
        for name in (after_start or lengths)[:1]:
            take("duration_seconds", name, "small whole numbers", "guess")


def _never_more(some: Contents, whole: Contents) -> bool:
    pairs = [(one, other) for one, other in zip(some.values, whole.values, strict=True) if one and other]
    return bool(pairs) and all(float(one) <= float(other) + 1 for one, other in pairs)


def _chosen_contents(role: str, contents: Mapping[str, Contents], choices: Mapping[str, Choice]) -> Contents | None:
    return contents[choices[role].columns[0]] if role in choices else None


def settle_lengths(contents: Mapping[str, Contents], choices: dict[str, Choice]) -> None:
    """A duration that runs from the answer is the billed time (Cisco), by the times of the same rows."""
    if "billing_seconds" in choices or "duration_seconds" not in choices:
        return
    length = _chosen_contents("duration_seconds", contents, choices)
    if length is None or not length.is_count:
        return
    whole = _seconds_between(*(_chosen_contents(role, contents, choices) for role in ("started_at", "ended_at")))
    talk = _seconds_between(*(_chosen_contents(role, contents, choices) for role in ("answered_at", "ended_at")))
    if talk and _agrees(length.values, talk) and not (whole and _agrees(length.values, whole)):
        choice = choices.pop("duration_seconds")
        choices["billing_seconds"] = Choice(
            choice.columns, "certain", "the seconds between answer and end", choice.others
        )
