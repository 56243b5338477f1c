"""Import profiles: the list, a proposal for a file, and an editor that shows what a changed profile makes of a file.

Profiles apply to all accounts, so only operators of all accounts save them.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from cdr_pipeline.console.rendering import page
from cdr_pipeline.console.service import service_of
from cdr_pipeline.console.sessions import CurrentUser, NotAllowed, NotVisible, OwnForm, require, visible_account
from cdr_pipeline.console.staged_files import StagedFile, find_staged, forget, stage
from cdr_pipeline.console.tables import TableExport, wanted_format
from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.errors import CdrError, UnknownProfile
from cdr_pipeline.files.durable import new_file
from cdr_pipeline.sources.uploads.drafting.profile_draft import draft_profile
from cdr_pipeline.sources.uploads.drafting.trial import Trial, try_profile
from cdr_pipeline.sources.uploads.profiles import broken_profiles, list_profiles, load_profile, read_profile, shown_text
from cdr_pipeline.steps.accounts.users import Permission, SignedIn, record_event

router = APIRouter()
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_ANSWER: Final = "answer-"
_GENERIC: Final = "generic"
_LONGEST_TEXT: Final = 100_000
_PROFILES: Final = TableExport[tuple[str, Profile, bool]](
    "profiles",
    {
        "profile": lambda item: item[0],
        "files_of": lambda item: item[1].description,
        "format": lambda item: item[1].layout.format,
        "from": lambda item: "your own" if item[2] else "built in",
    },
)


@router.get("/profiles")
def show_profiles(request: Request, user: CurrentUser) -> Response:
    """Every profile, and own ones that are not valid."""
    folder = service_of(request).ctx.settings.profile_dir
    profiles = list_profiles(folder)
    own = {path.stem for path in folder.glob("*.toml")} if folder.is_dir() else set[str]()
    if wanted_format(request):
        return _PROFILES.file(request, user, [(name, item, name in own) for name, item in profiles.items()])
    return page(
        request,
        "profiles.html",
        profiles=profiles,
        own=own,
        broken=broken_profiles(folder),
    )


@router.get("/profiles/edit")
def edit(request: Request, user: CurrentUser) -> Response:
    """The TOML of a profile."""
    name = request.query_params.get("name", "")
    try:
        text = shown_text(name, service_of(request).ctx.settings.profile_dir)
    except UnknownProfile:
        raise NotVisible from None
    return _editor(request, user, name, text, None)


class ProfileForm(BaseModel):
    """Form of the editor; ``key`` names a sample that was sent before."""

    name: Annotated[str, Field(max_length=60)]
    text: Annotated[str, Field(max_length=_LONGEST_TEXT)]
    action: Literal["try", "save"] = "try"
    key: Annotated[str, Field(max_length=100)] = ""


@router.post("/profiles/edit", dependencies=[OwnForm])
def try_or_save(
    request: Request, user: CurrentUser, form: Annotated[ProfileForm, Form()], file: UploadFile | None = None
) -> Response:
    """Shows what the changed profile makes of a sample file, or saves it."""
    require(user, Permission.UPLOAD)
    name, text = form.name, form.text.replace("\r\n", "\n")
    sample = find_staged(form.key, user.user_id) if form.key else None
    if file is not None and file.filename:
        sample = stage(file.file, user_id=user.user_id, account_id="", profile="", file_name=file.filename)
    try:
        profile = read_profile(name or "draft", text)
    except CdrError as error:
        return _editor(request, user, name, text, sample, refusal=error, status=400)
    if form.action == "try":
        trial = try_profile([sample.path], profile) if sample else None
        return _editor(request, user, name, text, sample, trial=trial, valid=True)
    _require_everything(user)
    if not _NAME.fullmatch(name):
        return _editor(request, user, name, text, sample, bad_name=True, status=400)
    ctx = service_of(request).ctx
    ctx.settings.profile_dir.mkdir(parents=True, exist_ok=True)
    with new_file(ctx.settings.profile_dir / f"{name}.toml") as writing:
        writing.write(text.encode())
        writing.place()
    record_event(user, "save profile", ctx, subject=name)
    if sample is not None and not sample.account_id:
        forget(sample)
    return RedirectResponse("/profiles?notice=profile", status_code=303)


@router.post("/profiles/draft", dependencies=[OwnForm])
async def draft(request: Request, user: CurrentUser) -> Response:
    """Proposes a profile again, with the answers to its questions."""
    require(user, Permission.UPLOAD)
    form = await request.form()
    key = form.get("key", "")
    staged = find_staged(key, user.user_id) if isinstance(key, str) else None
    if staged is None:
        raise NotVisible
    answers = {
        name.removeprefix(_ANSWER): value.strip()
        for name, value in form.multi_items()
        if name.startswith(_ANSWER) and isinstance(value, str) and value.strip()
    }
    return await run_in_threadpool(show_draft, request, user, staged, answers)


def show_draft(request: Request, user: SignedIn, staged: StagedFile, answers: Mapping[str, str]) -> Response:
    """The proposal for a staged file: profiles that read it, and a drafted one with its open questions."""
    account = visible_account(user, staged.account_id)
    folder = service_of(request).ctx.settings.profile_dir
    try:
        proposed = draft_profile(staged.path, folder, answers=answers)
    except CdrError as error:
        return page(
            request, "profile_draft.html", status=400, account=account, staged=staged, draft=None, refusal=error,
            answers=answers, profiles=sorted(list_profiles(folder)), may_save=_may_save(user), name="",
        )  # fmt: skip
    if _reads_all(staged.path, folder):
        proposed.resembles.append(_GENERIC)
    return page(
        request,
        "profile_draft.html",
        account=account,
        staged=staged,
        draft=proposed,
        refusal=None,
        answers=answers,
        profiles=sorted(list_profiles(folder)),
        may_save=_may_save(user),
        name=_name_of(staged.path),
    )


def _reads_all(path: Path, folder: Path) -> bool:
    """Whether the general profile, which is never proposed as resembling, accepts every row."""
    trial = try_profile([path], load_profile(_GENERIC, folder))
    return not trial.error and trial.counts["merged"] > 0 and not trial.counts["rejected"]


def _editor(
    request: Request,
    user: SignedIn,
    name: str,
    text: str,
    sample: StagedFile | None,
    *,
    trial: Trial | None = None,
    refusal: CdrError | None = None,
    valid: bool = False,
    bad_name: bool = False,
    status: int = 200,
) -> Response:
    return page(
        request,
        "profile_edit.html",
        status=status,
        name=name,
        text=text,
        sample=sample,
        trial=trial,
        refusal=refusal,
        valid=valid,
        bad_name=bad_name,
        may_save=_may_save(user),
    )


def _may_save(user: SignedIn) -> bool:
    return user.everything and user.may(Permission.OPERATE)


def _require_everything(user: SignedIn) -> None:
    if not _may_save(user):
        raise NotAllowed("role")


def _name_of(path: Path) -> str:
    """A name for a new profile from the name of a file."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"[\d_-]{4,}", "", path.stem.lower())).strip("_")[:60] or "new_profile"
