"""Results of a call that fetches files: for each place, and for each file there."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from cdr_pipeline.steps.uploads.register_uploads import RegisteredFile

Outcome = Literal[
    "fetched", "would_fetch", "known", "growing", "no_marker", "no_manifest", "refused", "failed", "unmatched",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileResult:
    """Result for one file at a place.

    Attributes:
        place, path: place and path below its folder, for display.
        outcome: ``fetched``; ``would_fetch``; ``known``, fetched before; ``growing``, it changes or was seen only once;
            ``no_marker``, ``no_manifest`` yet; ``refused``, a person must act; ``failed``, the next run tries again;
            ``unmatched`` by any pattern.
        account_ids, profile, file_date: accounts, profile and day of its calls, as far as they are known.
        size: bytes.
        uploads: uploads of a fetched file, one for each account.
        resumed: whether a part of an earlier attempt was continued.
        cleared: ``moved`` or ``deleted`` at the place by this call.
        stamp: differs after the file has changed there.
        code, message, hint: why it was not fetched, and what to do.
    """

    place: str
    path: str
    outcome: Outcome
    account_ids: tuple[str, ...] = ()
    profile: str = ""
    file_date: date | None = None
    size: int | None = None
    uploads: tuple[RegisteredFile, ...] = ()
    resumed: bool = False
    cleared: str = ""
    stamp: str = ""
    code: str = ""
    message: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class PlaceResult:
    """Result for one place: its files, and why it failed as a whole.

    Attributes:
        place, kind: name and protocol.
        files: results by path.
        code, message, hint: why the place could not be looked at, or broke off; empty if it did not.
        retryable: whether a retry may help.
    """

    place: str
    kind: str
    files: tuple[FileResult, ...] = ()
    code: str = ""
    message: str = ""
    hint: str = ""
    retryable: bool = False

    @property
    def good(self) -> bool:
        """Whether the place was reached and no file was refused or failed."""
        return not self.code and not any(file.outcome in ("refused", "failed") for file in self.files)
