"""Turns errors of a step into Dagster failures that are permanent or transient.

Dagster has two retry loops. The retry policy of a step stops at ``allow_retries=False``. Run retries, if an operator
has enabled them, ignore that flag and stop at a tag of the run; this module sets both. Dagster stores the code and our
own message of an error. Messages of libraries are not stored, because they can contain values of rows.
"""

import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dagster as dg

from cdr_pipeline.errors import CdrError
from cdr_pipeline.privacy.redaction import redact
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.failure import FAULT, error_summary, folder_fault

MAX_RUN_RETRIES: Final = "dagster/max_retries"
FAILURE_TAG: Final = "cdr/failure"
STEP_RETRIES: Final = 2


def retry_policy(settings: Settings) -> dg.RetryPolicy:
    """Retries a step that failed for a transient reason twice, with an exponential delay."""
    return dg.RetryPolicy(STEP_RETRIES, delay=settings.step_retry_seconds, backoff=dg.Backoff.EXPONENTIAL)


@contextmanager
def classified_failures(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> Generator[None]:
    """Turns an error of the block into a failure with its code; only retryable errors allow retries.

    Raises:
        Failure: the block raised an error. If the error is permanent, the run is tagged as well.
    """
    try:
        with _known_folder_faults():
            yield
    except CdrError as error:
        if not error.retryable:
            stop_run_retries(context, error.code)
        raise dg.Failure(
            f"[{error.code}] {redact(error.message)}",
            metadata={"code": error.code, "what_to_do": redact(error.hint) or "see the code in the README"},
            allow_retries=error.retryable,
        ) from None
    except (dg.Failure, dg.RetryRequested):
        raise
    except Exception as error:  # noqa: BLE001 - the message of an unexpected error must not be stored
        stop_run_retries(context, FAULT)
        raise dg.Failure(
            f"[{FAULT}] {error_summary(error)}",
            metadata={"code": FAULT, "where": dg.MetadataValue.md(_frames(error))},
            allow_retries=False,
        ) from None


@contextmanager
def _known_folder_faults() -> Generator[None]:
    """Names a full or read-only folder instead of a fault of the program."""
    try:
        yield
    except OSError as error:
        raise folder_fault(error) or error from None


def stop_run_retries(context: dg.AssetExecutionContext | dg.OpExecutionContext, code: str) -> None:
    """Tags the run with the error code and disables its run retries."""
    context.instance.add_run_tags(context.run.run_id, {MAX_RUN_RETRIES: "0", FAILURE_TAG: code})


def _frames(error: Exception) -> str:
    """Traceback of the error as a Markdown list, without the error's message."""
    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join(f"- `{Path(frame.filename).name}:{frame.lineno}` in `{frame.name}`" for frame in frames)
