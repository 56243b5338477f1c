"""How a step fails: permanent and passing failures are told apart, for every loop in which Dagster tries again.

Dagster has two of them here. A step's retry policy stops at ``allow_retries=False``; the run's own retries, where an
operator has switched them on, know nothing of that and stop at a tag of the run. (The third, automation conditions, is
not used.) What is stored of an error is its code and our words: texts of libraries may hold values of rows.
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
from cdr_pipeline.steps.failure import FAULT, error_summary

_MAX_RUN_RETRIES: Final = "dagster/max_retries"
FAILURE_TAG: Final = "cdr/failure"
STEP_RETRIES: Final = 2


def retry_policy(settings: Settings) -> dg.RetryPolicy:
    """A step that failed for a passing reason is tried twice more, after a pause and then a longer one."""
    return dg.RetryPolicy(STEP_RETRIES, delay=settings.step_retry_seconds, backoff=dg.Backoff.EXPONENTIAL)


@contextmanager
def classified_failures(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> Generator[None]:
    """Turns errors of the block into failures that say by code whether trying again can help.

    Raises:
        Failure: of an error; the run is tagged when it is permanent.
    """
    try:
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
    except Exception as error:  # noqa: BLE001 - whatever it is, its text must not be stored
        stop_run_retries(context, FAULT)
        raise dg.Failure(
            f"[{FAULT}] {error_summary(error)}",
            metadata={"code": FAULT, "where": dg.MetadataValue.md(_frames(error))},
            allow_retries=False,
        ) from None


def stop_run_retries(context: dg.AssetExecutionContext | dg.OpExecutionContext, code: str) -> None:
    """Tags the run so that its own retries stop, and with what has stopped it."""
    context.instance.add_run_tags(context.run.run_id, {_MAX_RUN_RETRIES: "0", FAILURE_TAG: code})


def _frames(error: Exception) -> str:
    """Where it happened, without the error's own words."""
    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join(f"- `{Path(frame.filename).name}:{frame.lineno}` in `{frame.name}`" for frame in frames)
