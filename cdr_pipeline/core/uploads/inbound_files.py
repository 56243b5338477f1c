"""Rules for files at the places of carriers: which file is whole, which is refused, and which is expected."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Literal, cast
from zoneinfo import ZoneInfo

from cdr_pipeline.core.uploads.inbound_pattern import MatchedName, NamePattern

Whole = Literal["stable", "marker", "manifest", "at_once"]
Decision = Literal["fetch", "known", "growing", "no_marker", "no_manifest", "refused", "unmatched", "companion"]
_LONGEST_NAME: Final = 255
# Bytes: place, path and stamp are a key of the ledger.
_LONGEST_PATH: Final = 512
_LONGEST_TAG: Final = 64
_DIGESTS: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_DIGEST: Final = re.compile(r"[0-9a-fA-F]+")
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file at a place.

    Attributes:
        path: path below the place's folder, with slashes.
        size: bytes; None if the place does not say.
        modified_at: time of its last change there; None if the place does not say.
        tag: what else tells versions apart: an ETag, or the number of a mail.
        regular: whether it is a file and no link, pipe or device.
    """

    path: str
    size: int | None = None
    modified_at: datetime | None = None
    tag: str = ""
    regular: bool = True

    @property
    def name(self) -> str:
        """Name without folders."""
        return self.path.rpartition("/")[2]

    @property
    def stamp(self) -> str:
        """Size, time and tag: differs after the file has changed."""
        changed = self.modified_at.isoformat() if self.modified_at else ""
        tag = self.tag if len(self.tag) <= _LONGEST_TAG else hashlib.sha256(self.tag.encode()).hexdigest()
        return f"{'' if self.size is None else self.size}|{changed}|{tag}"


@dataclass(frozen=True, slots=True)
class WholeRule:
    """How a whole file is recognised.

    Attributes:
        how: ``stable``, size and time are the same in two looks; ``marker``, another file marks it; ``manifest``,
            another file lists it, with a digest or a size; ``at_once``, the place shows only whole files.
        stable_seconds: least time between the two looks.
        companion: name of the marker or manifest; {name} is the file's name, {stem} the name without its last ending.
    """

    how: Whole = "stable"
    stable_seconds: float = 5.0
    companion: str = ""

    def companion_of(self, path: str) -> str:
        """Path of the marker or manifest of a file."""
        folder, slash, name = path.rpartition("/")
        stem = name.rpartition(".")[0] or name
        return f"{folder}{slash}{self.companion.format(name=name, stem=stem)}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Most bytes of a file, and most files at a place."""

    max_bytes: int
    max_files: int


@dataclass(frozen=True, slots=True)
class PlaceRules:
    """Rules of a place: its patterns, of which the first that matches counts, how a file is whole, and limits."""

    patterns: Sequence[NamePattern]
    whole: WholeRule
    limits: Limits


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file and what is to be done with it.

    Attributes:
        file: the file.
        decision: ``fetch`` it; ``known``, fetched before; ``growing``, not the same in two looks yet; ``no_marker`` or
            ``no_manifest`` yet; ``refused``; ``unmatched`` by any pattern; ``companion``, a marker or manifest.
        rule: index of the pattern that matches; None if none does.
        matched: what the pattern reads from the name.
        why: why it is refused.
    """

    file: RemoteFile
    decision: Decision
    rule: int | None = None
    matched: MatchedName = field(default_factory=MatchedName)
    why: str = ""


@dataclass(frozen=True, slots=True)
class SeenFile:
    """What the ledger knows about one version of a file: when it was first seen, and whether it was fetched."""

    first_seen_at: datetime
    fetched: bool


def plan(
    files: Sequence[RemoteFile], rules: PlaceRules, seen: Mapping[tuple[str, str], SeenFile], now: datetime
) -> list[PlannedFile]:
    """What is to be done with each file of a place, in the order of the paths.

    Args:
        files: all files of one look.
        rules: rules of the place.
        seen: by path and stamp, what is known about a version of a file.
        now: time of the look.
    """
    whole, paths = rules.whole, {file.path for file in files}
    companions = {whole.companion_of(path) for path in paths} if whole.how in ("marker", "manifest") else set[str]()
    planned: list[PlannedFile] = []
    for file in sorted(files, key=lambda item: item.path):
        rule, matched = _first_match(file.path, rules.patterns)
        own = whole.companion_of(file.path)
        if file.path in companions and (rule is None or own == file.path or own not in paths):
            planned.append(PlannedFile(file, "companion"))
        elif rule is None or matched is None:
            planned.append(PlannedFile(file, "unmatched"))
        else:
            decision, why = _decision(file, rules, paths, seen.get((file.path, file.stamp)), now)
            planned.append(PlannedFile(file, decision, rule, matched, why))
    return planned


def unsafe_path(path: str) -> str:
    """Why a path from a server cannot be trusted; empty if it can."""
    parts = path.split("/")
    if not path.isprintable() or "\\" in path:
        return "its name has control characters or a backslash"
    if path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        return "its name leads out of the folder"
    if len(path.encode()) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_NAME for part in parts):
        return "its name is too long"
    return ""


def _first_match(path: str, patterns: Sequence[NamePattern]) -> tuple[int | None, MatchedName | None]:
    for number, pattern in enumerate(patterns):
        matched = pattern.match(path)
        if matched is not None:
            return number, matched
    return None, None


def _decision(
    file: RemoteFile, rules: PlaceRules, paths: Collection[str], seen: SeenFile | None, now: datetime
) -> tuple[Decision, str]:
    if seen is not None and seen.fetched:
        return "known", ""
    whole, limits = rules.whole, rules.limits
    why = unsafe_path(file.path)
    if not why and not file.regular:
        why = "it is not a regular file"
    if not why and file.size is not None and file.size > limits.max_bytes:
        why = f"it has {file.size} bytes, more than max_bytes = {limits.max_bytes}"
    if why:
        return "refused", why
    if whole.how == "stable":
        stable = seen is not None and now - seen.first_seen_at >= timedelta(seconds=whole.stable_seconds)
        return ("fetch" if stable else "growing"), ""
    if whole.how == "at_once":
        return "fetch", ""
    arrived = whole.companion_of(file.path) in paths
    missing: Decision = "no_marker" if whole.how == "marker" else "no_manifest"
    return ("fetch" if arrived else missing), ""


@dataclass(frozen=True, slots=True)
class StatedContent:
    """What a manifest states about a file: algorithm and digest, and bytes; "" and None if it does not."""

    algorithm: str = ""
    digest: str = ""
    size: int | None = None

    def difference(self, content_size: int, digests: Mapping[str, str]) -> str:
        """How a file differs from the manifest; empty if it does not."""
        if self.size is not None and self.size != content_size:
            return f"it has {content_size} bytes, the manifest states {self.size}"
        if self.digest and digests[self.algorithm] != self.digest.lower():
            return f"its {self.algorithm} differs from the manifest"
        return ""


def stated_content(manifest: str, name: str) -> StatedContent | None:
    """Reads what a manifest states about a file; None if it does not name it.

    A manifest is text with a line for each file (digest, name and bytes in any order, as written by ``sha256sum``), a
    digest alone, or JSON with ``name`` or ``file``, a digest under the algorithm's name, and ``size`` or ``bytes``.
    """
    try:
        return _of_json(json.loads(manifest), name)
    except ValueError:
        pass
    lines = [re.split(r"[\s,;=|()]+", line.strip()) for line in manifest.splitlines() if line.strip()]
    for tokens in lines:
        words = [token.strip("\"'*").rpartition("/")[2] for token in tokens]
        if name in words or (len(lines) == 1 and len(words) == 1):
            return _of_words([word for word in words if word != name])
    return None


def _of_json(document: object, name: str) -> StatedContent | None:
    if isinstance(document, int):
        raise ValueError("a number is not a JSON manifest")  # noqa: TRY004 - read as text then
    for item in _objects(document):
        named = str(item.get("name") or item.get("file") or item.get("filename") or "").rpartition("/")[2]
        if named == name:
            size = item.get("size", item.get("bytes"))
            for algorithm in _DIGESTS.values():
                if isinstance(item.get(algorithm), str):
                    return StatedContent(algorithm, str(item[algorithm]), size if isinstance(size, int) else None)
            return StatedContent(size=size if isinstance(size, int) else None)
    return None


def _objects(document: object) -> Iterable[dict[str, Any]]:
    if isinstance(document, dict):
        item = cast("dict[str, Any]", document)
        yield item
        for value in item.values():
            yield from _objects(value)
    elif isinstance(document, list):
        for value in cast("list[object]", document):
            yield from _objects(value)


def _of_words(words: Sequence[str]) -> StatedContent:
    digest = next((word for word in words if len(word) in _DIGESTS and _DIGEST.fullmatch(word)), "")
    size = next((int(word) for word in words if word.isdecimal() and word != digest), None)
    return StatedContent(_DIGESTS.get(len(digest), ""), digest, size)


class ContentDigests:
    """Digests of a file by algorithm, made while it is read."""

    def __init__(self) -> None:
        self._digests = {name: hashlib.new(name, usedforsecurity=False) for name in _DIGESTS.values()}
        self.size = 0

    def update(self, content: bytes) -> None:
        """Adds the next bytes."""
        self.size += len(content)
        for digest in self._digests.values():
            digest.update(content)

    def by_algorithm(self) -> dict[str, str]:
        """Digests in lower-case hexadecimal."""
        return {name: digest.hexdigest() for name, digest in self._digests.items()}


@dataclass(frozen=True, slots=True)
class Expected:
    """Days for which a file is expected.

    Attributes:
        due: time of day at which the file of a day is due.
        due_days: days from the file's day to the day on which it is due.
        weekdays: weekdays whose files are expected, such as mon; all if empty.
        first_date: first day for which a file is expected.
        zone: IANA zone of ``due``.
    """

    due: time
    due_days: int
    weekdays: tuple[str, ...]
    first_date: date
    zone: str

    def is_expected(self, day: date) -> bool:
        """Whether a file is expected for a day."""
        return day >= self.first_date and (not self.weekdays or _WEEKDAYS[day.weekday()] in self.weekdays)

    def due_at(self, day: date) -> datetime:
        """When the file of a day is due."""
        return datetime.combine(day + timedelta(days=self.due_days), self.due, tzinfo=ZoneInfo(self.zone))

    def late(self, received: Collection[date], now: datetime, *, since: date) -> list[date]:
        """Days from ``since`` on whose file is due and has not arrived."""
        first, last = max(since, self.first_date), now.astimezone(ZoneInfo(self.zone)).date()
        days = (first + timedelta(days=number) for number in range(max(0, (last - first).days + 1)))
        return [day for day in days if day not in received and self.is_expected(day) and self.due_at(day) <= now]
