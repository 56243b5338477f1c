"""Delivers files of sealed days to targets. A file that a target does not accept stays due; the day stays sealed."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from fsspec.spec import AbstractFileSystem

from cdr_pipeline.errors import CdrError, ConfigurationError, DeliveryError
from cdr_pipeline.exports.delivery.places import open_target
from cdr_pipeline.exports.delivery.sending import PendingFile, send
from cdr_pipeline.exports.delivery.targets import Target, load_targets
from cdr_pipeline.exports.dialects.registry import NAMES
from cdr_pipeline.steps.days.publish_days import UnpublishedDay, publish_pending
from cdr_pipeline.steps.failure import AccountFailure, contained
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Delivery, Ledger
from cdr_pipeline.warehouse.server.engine import translated

# Threads that send to a target: while one waits for the disk or the network, others read and send. An SFTP server may
# limit what one client does at a time.
_SENDERS: Final = 8
_SENT_IN_PARALLEL: Final = frozenset({"folder", "s3"})


@dataclass(frozen=True, slots=True)
class DeliverRequest:
    """What to deliver.

    Attributes:
        accounts: ids of accounts whose files are delivered; all active ones when omitted.
        targets: names of targets; all when omitted.
        again: whether to retry refused files and to compare delivered files, sending those that are missing.
    """

    accounts: Sequence[str] | None = None
    targets: Sequence[str] | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """Result for one file at one target.

    Attributes:
        account_id, target, path: account, name of the target, and path of the file.
        outcome: ``delivered``; ``pending``, the target is down and the file stays due; ``refused``.
        age: time since the file became due.
        receipt: receipt of a delivered file.
        failure: cause of a pending or refused file.
    """

    account_id: str
    target: str
    path: str
    outcome: Literal["delivered", "pending", "refused"]
    age: timedelta
    receipt: str | None = None
    failure: AccountFailure | None = None


def deliver_files(request: DeliverRequest, ctx: RunContext) -> list[DeliveredFile]:
    """Sends the files that are due. After a failure of a target, this call skips it; other targets get their files.

    Raises:
        AccountNotFound: a requested account is not registered.
        ConfigurationError: a requested target does not exist, or the targets file is invalid.
    """
    targets = {target.name: target for target in load_targets(ctx.settings.targets_file)}
    unknown = sorted(set(request.targets or ()) - targets.keys())
    if unknown:
        raise ConfigurationError(f"no such target: {', '.join(unknown)}", hint="see targets.toml in the data folder")
    wanted = [targets[name] for name in (request.targets or targets)]
    with ctx.ledger() as ledger:
        accounts = [account.account_id for account in ledger.accounts.active(request.accounts)]
        unpublished = publish_pending(accounts, ledger, ctx)
        delivered: list[DeliveredFile] = []
        for target in wanted:
            delivered += [_unpublished_result(day, target) for day in unpublished if target.takes(day.account_id)]
            delivered += _deliver_to(target, accounts, ledger, ctx, again=request.again)
    return delivered


def _deliver_to(
    target: Target, accounts: Sequence[str], ledger: Ledger, ctx: RunContext, *, again: bool
) -> list[DeliveredFile]:
    states = ["pending", "refused", "delivered"] if again else ["pending"]
    mine = [account_id for account_id in accounts if target.takes(account_id)]
    ledger.deliveries.queue(mine, target.name, target.dialects or NAMES, now=ctx.clock())
    due = [delivery for delivery in ledger.deliveries.list_all(mine, states) if delivery.target == target.name]
    if not due:
        return []
    due.sort(key=lambda delivery: (delivery.business_date, delivery.account_id, delivery.version, delivery.path))
    try:
        with open_target(target) as (files, root):
            sending = _Sending(target, files, root, states, ctx)
            accounts_due = sorted({delivery.account_id for delivery in due})
            senders = min(_SENDERS if target.kind in _SENT_IN_PARALLEL else 1, len(accounts_due))
            if senders == 1:
                return sending.send_all(due, ledger)
            # Files of an account are sent in their order, by one thread.
            share_of = {account_id: number % senders for number, account_id in enumerate(accounts_due)}
            shares = [[item for item in due if share_of[item.account_id] == number] for number in range(senders)]
            with ThreadPoolExecutor(senders, thread_name_prefix="deliver_files") as pool:
                sent = [file for part in pool.map(sending.send_share, shares) for file in part]
            place = {(item.account_id, item.path): number for number, item in enumerate(due)}
            return sorted(sent, key=lambda file: place[file.account_id, file.path])
    except DeliveryError as error:
        return [file for delivery in due for file in _failed(delivery, error, ledger, ctx)]


@dataclass(slots=True)
class _Sending:
    """Sends files to one target; several threads may share it.

    Attributes:
        target, files, root: the target, its open file system, and its root folder.
        states: states of deliveries that are due.
        ctx: settings, warehouse, clock and progress callback.
        down: failure of the target; no further file is sent.
    """

    target: Target
    files: AbstractFileSystem
    root: str
    states: Sequence[str]
    ctx: RunContext
    down: DeliveryError | None = None

    def send_share(self, due: Sequence[Delivery]) -> list[DeliveredFile]:
        """Sends the share of one thread over its own connection."""
        with self.ctx.ledger() as ledger:
            return self.send_all(due, ledger)

    def send_all(self, due: Sequence[Delivery], ledger: Ledger) -> list[DeliveredFile]:
        """Sends files in order."""
        return [file for delivery in due for file in self._send(delivery, ledger)]

    def _send(self, delivery: Delivery, ledger: Ledger) -> list[DeliveredFile]:
        target, ctx = self.target, self.ctx
        if self.down is not None:
            return _failed(delivery, self.down, ledger, ctx)
        try:
            with translated(), ledger.deliveries.lock(delivery, self.states) as file:
                if file is None:
                    return []
                parcel = PendingFile(
                    ctx.settings.export_dir / file.path, file.path, file.sha256, file.size, file.manifest.encode()
                )
                receipt = send(parcel, target, self.files, self.root)
                ledger.deliveries.record_delivered(delivery, receipt=receipt, now=ctx.clock())
        except DeliveryError as error:
            self.down = error if error.retryable else self.down
            return _failed(delivery, error, ledger, ctx)
        except CdrError as error:
            return _failed(delivery, error, ledger, ctx)
        except Exception as error:  # noqa: BLE001 - a failure affects only its file
            failure = contained(delivery.account_id, delivery.path, error)
            age = delivery.age(ctx.clock())
            return [DeliveredFile(delivery.account_id, target.name, delivery.path, "pending", age, failure=failure)]
        ctx.progress(f"delivered {file.path} to {target.name}")
        age = ctx.clock() - delivery.due_at
        return [DeliveredFile(delivery.account_id, target.name, file.path, "delivered", age, receipt)]


def _unpublished_result(day: UnpublishedDay, target: Target) -> DeliveredFile:
    """Refused result for a sealed day whose manifests could not be published, so that its files are not due."""
    place = f"{day.account_id} {day.business_date} v{day.version}"
    return DeliveredFile(day.account_id, target.name, place, "refused", timedelta(), failure=day.failure)


def _failed(delivery: Delivery, error: CdrError, ledger: Ledger, ctx: RunContext) -> list[DeliveredFile]:
    """Records a failed delivery: pending if a retry may help, else refused. A delivered file stays delivered.

    Returns:
        An empty list when another process has attempted the delivery meanwhile; its outcome counts.
    """
    outcome: Literal["pending", "refused"] = "pending" if error.retryable else "refused"
    if delivery.state != "delivered" and not ledger.deliveries.record_failed_delivery(
        delivery, state=outcome, now=ctx.clock(), error_code=error.code, error_message=error.message
    ):
        return []
    failure = AccountFailure.of(delivery.account_id, error)
    age = delivery.age(ctx.clock())
    return [DeliveredFile(delivery.account_id, delivery.target, delivery.path, outcome, age, failure=failure)]
