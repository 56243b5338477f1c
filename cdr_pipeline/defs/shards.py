# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false, reportUnknownMemberType=false
# Dagster reads the return annotation and knows only the bare class.
"""Daily assets whose accounts are divided into shards, so that several workers share a night.

With one shard an asset is one step. With more, and an executor that runs steps at the same time, it is a graph of
steps: one divides the accounts, one step per shard does the work for its accounts, and one gathers the results for
metadata and checks. No value passes between the steps except through the warehouse, so that they can run on different
machines. In one process such steps would run one after the other and only add their own cost. There an asset stays one
step, which does the work for all accounts at once, and for one shard after the other only if that fails.

The asset itself, its partitions, checks and tags are the same in all forms.
"""

import functools
import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

import dagster as dg
from pydantic import TypeAdapter

from cdr_pipeline.defs.day_asset import CODE, DayAsset, DayResult, DayRun, check_specs, code_reference, materialized
from cdr_pipeline.defs.failure import classified_failures, retry_policy
from cdr_pipeline.defs.outcome import require_good_run
from cdr_pipeline.defs.resources import RunContexts
from cdr_pipeline.defs.scope import Scope
from cdr_pipeline.errors import CdrError, WarehouseContended, WarehouseUnavailable
from cdr_pipeline.privacy.redaction import redact
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.failure import FAULT, AccountFailure, error_summary
from cdr_pipeline.steps.operations.night_shards import (
    divide_night,
    night_shards,
    record_shard,
    shard_accounts,
    shard_results,
)
from cdr_pipeline.warehouse.operations.shards import ShardedStep

Part = TypeVar("Part")

_NOT_RUN: Final = "shard_without_result"


@dataclass(frozen=True, slots=True)
class AccountWork(Generic[Part]):
    """Work of a step that can be done for some accounts at a time.

    Attributes:
        work: does the work for the accounts of the run.
        results: metadata and checks of the whole result, for each asset.
        join: one result of the results of all shards; the result of no account for an empty sequence.
        fail: the result of a shard whose accounts all failed.
        kind: type of the result, which is stored as JSON.
        pool: concurrency pool of the step if there is one shard. The shards of a run are limited by the number of
            workers, and their requests by the settings of the switch.
    """

    work: Callable[[DayRun], Part]
    results: Callable[[Part, DayRun], Sequence[DayResult]]
    join: Callable[[Sequence[Part], DayRun], Part]
    fail: Callable[[Sequence[AccountFailure], DayRun], Part]
    kind: TypeAdapter[Part]
    pool: str | None = None


@dataclass(frozen=True, slots=True)
class WorkStep:
    """A step of the night: name, assets, their checks and partitions."""

    name: str
    days: dg.PartitionsDefinition[str]
    specs: Sequence[dg.AssetSpec]
    checks: Sequence[dg.AssetCheckSpec]
    retry: dg.RetryPolicy | None = None


def day_assets(step: WorkStep, work: AccountWork[Any], settings: Settings) -> dg.AssetsDefinition:
    """The assets of a step, as one step or as one per shard."""
    return _in_shards(step, work, settings) if _in_steps(settings) else _in_one_step(step, work, settings)


def day_asset(asset: DayAsset, work: AccountWork[Any], settings: Settings) -> dg.AssetsDefinition:
    """The asset with the name and the docstring of its work, as one step or as one per shard."""
    if not _in_steps(settings):

        @functools.wraps(work.work)
        def whole(run: DayRun) -> DayResult:
            (result,) = work.results(_worked(work, run, settings), run)
            return result

        return replace(asset, pool=work.pool).of(whole)
    name = work.work.__name__
    spec = dg.AssetSpec(
        name,
        description=inspect.getdoc(work.work),
        deps=list(asset.deps),
        group_name=asset.group,
        kinds=asset.kinds,
        metadata={**asset.metadata, CODE: code_reference(work.work)},
    )
    checks = check_specs(asset.days, name, asset.checks)
    return _in_shards(WorkStep(name, asset.days, [spec], checks, asset.retry_policy), work, settings)


def _in_steps(settings: Settings) -> bool:
    """Whether each shard is a step."""
    return settings.night_shards > 1 and settings.executor != "in_process"


def _in_one_step(step: WorkStep, work: AccountWork[Any], settings: Settings) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=step.name,
        partitions_def=step.days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=work.pool,
        retry_policy=step.retry,
        specs=step.specs,
        check_specs=step.checks,
    )
    def day_step(
        context: dg.AssetExecutionContext, run_contexts: dg.ResourceParam[RunContexts], scope: Scope
    ) -> Iterator[dg.MaterializeResult]:
        with classified_failures(context), DayRun.open(context, run_contexts, scope) as run:
            yield from materialized(run, work.results(_worked(work, run, settings), run))
        require_good_run(context)

    return day_step


def _in_shards(step: WorkStep, work: AccountWork[Any], settings: Settings) -> dg.AssetsDefinition:
    parents = sorted({dep.asset_key.to_user_string() for spec in step.specs for dep in spec.deps})
    keys = [spec.key.to_python_identifier() for spec in step.specs]
    outputs = [*keys, *(check.get_python_identifier() for check in step.checks)]
    policy = retry_policy(settings)

    @dg.op(
        name=f"{step.name}_accounts",
        description="Divides the accounts of the run into shards.",
        ins={parent: dg.In(dg.Nothing) for parent in parents},
        out=dg.DynamicOut(dg.Nothing),
        retry_policy=policy,
    )
    def accounts(
        context: dg.AssetExecutionContext, run_contexts: dg.ResourceParam[RunContexts], scope: Scope
    ) -> Iterator[dg.DynamicOutput[None]]:
        with classified_failures(context), DayRun.open(context, run_contexts, scope) as run:
            shards = divide_night(_step(context, step), run.dates[0], run.accounts, run.ctx)
        for shard in range(shards):
            yield dg.DynamicOutput(None, mapping_key=f"{shard:03d}")

    @dg.op(
        name=f"{step.name}_shard",
        description="Does the work for the accounts of one shard.",
        ins={"shard": dg.In(dg.Nothing)},
        out=dg.Out(dg.Nothing),
        retry_policy=policy,
    )
    def shard(context: dg.AssetExecutionContext, run_contexts: dg.ResourceParam[RunContexts], scope: Scope) -> None:
        with classified_failures(context), DayRun.open(context, run_contexts, scope) as run:
            number = int(context.op_execution_context.get_mapping_key() or "0")
            own = replace(run, accounts=shard_accounts(_step(context, step), number, run.ctx))
            part = _work_or_fail(work, own, policy)
            record_shard(_step(context, step), number, work.kind.dump_json(part).decode(), run.ctx)

    @dg.op(
        name=f"{step.name}_gathered",
        description="Gathers the results of all shards: metadata and checks.",
        ins={"shards": dg.In(dg.Nothing)},
        out={name: dg.Out(dg.Nothing) for name in outputs},
        retry_policy=step.retry,
    )
    def gathered(
        context: dg.AssetExecutionContext, run_contexts: dg.ResourceParam[RunContexts], scope: Scope
    ) -> Iterator[dg.MaterializeResult]:
        with classified_failures(context), DayRun.open(context, run_contexts, scope) as run:
            whole = work.join(_parts(work, run, _step(context, step)), run)
            yield from materialized(run, work.results(whole, run))
        require_good_run(context)

    def compose(**ins: object) -> object:
        done = gathered(shards=accounts(**ins).map(lambda number: shard(shard=number)).collect())
        return done if len(outputs) == 1 else {name: getattr(done, name) for name in outputs}

    # Dagster reads the inputs of the graph from the signature.
    setattr(compose, "__signature__", inspect.Signature([_input(parent) for parent in parents]))  # noqa: B010
    graph = dg.graph(
        name=step.name,
        ins={parent: dg.GraphIn() for parent in parents},
        out={name: dg.GraphOut() for name in outputs},
    )(compose)
    assets = dg.AssetsDefinition.from_graph(
        graph,
        keys_by_input_name={parent: dg.AssetKey(parent) for parent in parents},
        keys_by_output_name=dict(zip(keys, (spec.key for spec in step.specs), strict=True)),
        partitions_def=step.days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=step.checks,
    )
    by_key = {spec.key: spec for spec in step.specs}
    return assets.map_asset_specs(lambda spec: _described(spec, by_key[spec.key]))


def _described(spec: dg.AssetSpec, by: dg.AssetSpec) -> dg.AssetSpec:
    return spec.replace_attributes(
        description=by.description, group_name=by.group_name, kinds=by.kinds, metadata=by.metadata
    )


def _input(name: str) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)


def _step(context: dg.AssetExecutionContext, step: WorkStep) -> ShardedStep:
    """The step in the ledger. A re-execution from failed steps continues with the results of the run before it."""
    return ShardedStep(context.run.root_run_id or context.run.run_id, step.name)


def _worked(work: AccountWork[Part], run: DayRun, settings: Settings) -> Part:
    """The result of all accounts. If their common work fails, the accounts are divided and each shard works alone.

    Then only a shard that fails for a temporary reason is repeated, and only the accounts of a broken shard fail.

    Raises:
        CdrError: the warehouse is down, or the work failed and there is one shard.
        Failure, RetryRequested: the work decided itself how the step ends.
    """
    if settings.night_shards == 1:
        return work.work(run)
    try:
        return work.work(run)
    except (dg.Failure, dg.RetryRequested):
        raise
    except Exception as error:
        if _is_down(error):
            raise
        text = f"{_message(error)}; the step continues with one shard after the other"
        run.dagster.log.warning(text)
    policy = retry_policy(settings)
    shards = night_shards(run.dates[0], run.accounts, run.ctx)
    return work.join([_worked_alone(work, replace(run, accounts=accounts), policy) for accounts in shards], run)


def _worked_alone(work: AccountWork[Part], run: DayRun, policy: dg.RetryPolicy) -> Part:
    """The result of a shard in this process, repeated as often as a step would be."""
    for attempt in range(policy.max_retries + 1):
        try:
            return _work_or_fail(work, replace(run, retry_number=attempt), policy)
        except dg.RetryRequested:
            if attempt == policy.max_retries:
                raise
        except CdrError as error:
            if _is_down(error):
                raise
        time.sleep(policy.calculate_delay(attempt + 1))
    raise AssertionError("the last attempt returns or raises")


def _work_or_fail(work: AccountWork[Part], run: DayRun, policy: dg.RetryPolicy) -> Part:
    """The result of a shard. After the last retry of a failed shard, its accounts are the ones that failed.

    The other shards and the steps after them continue; the check of the failed accounts is red and fails the run.

    Raises:
        CdrError: the shard failed for a temporary reason and is retried, or the warehouse is down.
    """
    accounts = run.accounts or []
    try:
        return work.work(run)
    except (dg.Failure, dg.RetryRequested):
        raise
    except CdrError as error:
        if _is_down(error) or (error.retryable and run.retry_number < policy.max_retries):
            raise
        failures = [AccountFailure.of(name, error) for name in accounts]
    except Exception as error:  # noqa: BLE001 - a fault of one shard must not stop the others
        failures = [AccountFailure(name, FAULT, retryable=False, message=error_summary(error)) for name in accounts]
    text = f"[{failures[0].code}] all accounts of this shard failed: {redact(failures[0].message)}"
    run.dagster.log.error(text)
    return work.fail(failures, run)


def _is_down(error: Exception) -> bool:
    """Whether no shard can work, because the warehouse is down."""
    return isinstance(error, WarehouseUnavailable) and not isinstance(error, WarehouseContended)


def _message(error: Exception) -> str:
    """Code and message of an error, without values of rows."""
    if isinstance(error, CdrError):
        return f"[{error.code}] {redact(error.message)}"
    return f"[{FAULT}] {error_summary(error)}"


def _parts(work: AccountWork[Part], run: DayRun, step: ShardedStep) -> list[Part]:
    parts: list[Part] = []
    for stored in shard_results(step, run.ctx):
        if stored.result is not None:
            parts.append(work.kind.validate_json(stored.result))
            continue
        text = f"shard {stored.shard} has no result"
        missing = [AccountFailure(name, _NOT_RUN, retryable=True, message=text) for name in stored.account_ids]
        parts.append(work.fail(missing, replace(run, accounts=stored.account_ids)))
    return parts
