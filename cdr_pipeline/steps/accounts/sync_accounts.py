"""Registers the account tree of the switch."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from cdr_pipeline.errors import ConfigurationError, TransientUpstreamError, UpstreamError
from cdr_pipeline.sources.upstream import UpstreamAccount, UpstreamClient
from cdr_pipeline.sources.upstream_registry import upstream_of
from cdr_pipeline.steps.accounts.add_account import checked_account
from cdr_pipeline.steps.failure import AccountFailure, contained
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Ledger
from cdr_pipeline.warehouse.server.engine import translated

# After so many failed requests in a row no further account is requested: the switch is down, and each would be retried
# for minutes.
_MOST_UNANSWERED: Final = 3


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """Which tree to register.

    Attributes:
        root: top account of the tree; the account of the credentials when omitted.
        deactivate_missing: whether to stop collecting accounts that are no longer on the switch.
    """

    root: str | None = None
    deactivate_missing: bool = False


@dataclass(frozen=True, slots=True)
class SyncedAccounts:
    """Result of a synchronisation, as account ids.

    Attributes:
        root: top account of the tree.
        added: newly registered accounts, all active.
        changed: accounts with a new name, parent or realm; time zone, country code and activity keep their values.
        unchanged: accounts without a change.
        missing: accounts registered below the root that are no longer on the switch.
        refused: invalid ids, each with the reason.
        invalid_zones: new accounts whose time zone on the switch is not valid, each with what was used instead.
        failures: accounts that could not be read or stored. They keep their state from before.
    """

    root: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    missing: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    failures: tuple[AccountFailure, ...] = ()
    invalid_zones: tuple[tuple[str, str], ...] = ()


def sync_accounts(request: SyncRequest, ctx: RunContext) -> SyncedAccounts:
    """Reads the tree below an account from the switch and registers every account in it.

    A new account gets its time zone from the switch, or from the settings where the switch has none. A failure of one
    account does not affect the others.

    Raises:
        ConfigurationError: no switch is configured, or the credentials name no account and ``root`` is omitted.
        UpstreamError: the switch did not list the accounts; nothing was changed.
    """
    with upstream_of(ctx.settings).connect() as client:
        root = request.root or client.own_account()
        configured = ctx.settings.api_dialect
        dialect = client.detect_dialect(root) if configured == "auto" else configured
        listed = client.accounts(root, dialect)
        with ctx.ledger() as ledger:
            registered = {account.account_id: account for account in ledger.accounts.all()}
            return _Walk(root, registered, client, dialect, ctx).record(listed, ledger, request)


@dataclass(frozen=True, slots=True)
class _Walk:
    """One pass over the tree, with the accounts that were registered before it."""

    root: str
    registered: dict[str, Account]
    client: UpstreamClient
    dialect: str
    ctx: RunContext
    invalid_zones: dict[str, str] = field(default_factory=dict[str, str])

    def record(self, listed: Sequence[UpstreamAccount], ledger: Ledger, request: SyncRequest) -> SyncedAccounts:
        """Registers new accounts and updates changed ones, each by itself."""
        outcomes: dict[str, list[str]] = {"added": [], "changed": [], "unchanged": []}
        refused: list[tuple[str, str]] = []
        failures: list[AccountFailure] = []
        unanswered = 0
        for number, item in enumerate(listed, start=1):
            account_id = item.account_id
            is_new = account_id not in self.registered
            if is_new and unanswered >= _MOST_UNANSWERED:
                error = TransientUpstreamError(f"not requested, because the {unanswered} requests before it failed")
                failures.append(AccountFailure.of(account_id, error))
                continue
            try:
                with translated():
                    outcome = self._record(self._account(item), ledger)
                unanswered = 0 if is_new else unanswered
            except ConfigurationError as error:
                refused.append((account_id, error.message))
            except Exception as error:  # noqa: BLE001 - one account's failure must not stop the others
                unanswered += isinstance(error, UpstreamError)
                failures.append(contained(account_id, "registering it", error))
            else:
                outcomes[outcome].append(account_id)
            self.ctx.progress(f"{number} of {len(listed)} accounts")
        present = {item.account_id for item in listed}
        missing = [item for item in self.registered.values() if item.account_id not in present and self._below(item)]
        for account in missing if request.deactivate_missing else []:
            try:
                with translated():
                    ledger.accounts.deactivate_account(account.account_id)
            except Exception as error:  # noqa: BLE001 - one account's failure must not stop the others
                failures.append(contained(account.account_id, "deactivating it", error))
        return SyncedAccounts(
            self.root,
            tuple(outcomes["added"]),
            tuple(outcomes["changed"]),
            tuple(outcomes["unchanged"]),
            tuple(account.account_id for account in missing),
            tuple(refused),
            tuple(failures),
            tuple(
                (account_id, why) for account_id, why in self.invalid_zones.items() if account_id in outcomes["added"]
            ),
        )

    def _record(self, account: Account, ledger: Ledger) -> str:
        """Adds the account, or writes its name, parent and realm if they changed."""
        before = self.registered.get(account.account_id)
        if before is None:
            ledger.accounts.add(account, now=self.ctx.clock())
            return "added"
        if before == account:
            return "unchanged"
        # Reading the tree takes a while. Only what the switch decides is written, so that other changes are kept.
        ledger.accounts.set_name_and_parent(
            account.account_id, name=account.name, parent_id=account.parent_id, realm=account.realm
        )
        return "changed"

    def _account(self, item: UpstreamAccount) -> Account:
        """The account of a listed one: the registered one, or a new one in the time zone of the switch."""
        account = self.registered.get(item.account_id) or self._new(item)
        return replace(
            account,
            name=item.name or account.name,
            realm=item.realm or account.realm,
            parent_id=account.parent_id if item.account_id == self.root else item.parent_id or self.root,
        )

    def _new(self, item: UpstreamAccount) -> Account:
        zone = self.ctx.settings.time_zone
        account = checked_account(
            account_id=item.account_id, name="", parent_id=None, time_zone=zone, country_code=None, active=True
        )
        listed = item.time_zone
        if listed is None:
            listed = self.client.time_zone(item.account_id, self.dialect)
        try:
            return checked_account(
                account_id=item.account_id,
                name="",
                parent_id=None,
                time_zone=listed or zone,
                country_code=None,
                active=True,
            )
        except ConfigurationError:
            # The text of the switch is not quoted: it may be anything.
            self.invalid_zones[item.account_id] = (
                f"its time zone on the switch is not an IANA name; {zone} (CDR_TIME_ZONE) is used"
            )
            return account

    def _below(self, account: Account) -> bool:
        """Whether a registered account is below the root, by the tree before this pass."""
        seen: set[str] = set()
        parent = account.parent_id
        while parent is not None and parent not in seen:
            if parent == self.root:
                return True
            seen.add(parent)
            parent = self.registered[parent].parent_id if parent in self.registered else None
        return False
