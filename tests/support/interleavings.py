"""Several processes at work on one product, in random order, some of them killed; then compared with a serial run.

A round has a warehouse and a data folder of its own. Commands of the CLI are started from a seeded plan, several at
once; commands, server processes and the server itself are killed at random moments. What was not acknowledged is
repeated until it is, as a night would. At the end nothing may be left over, and records, links, totals, reconciliations
and files must be those of a model: a fresh product that was given the same inputs one after the other.
"""

import json
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from cdr_pipeline.simulator.running import run_switch
from cdr_pipeline.sources.uploads.profiles import profile_text
from cdr_pipeline.warehouse.server.embedded import EmbeddedServer
from tests.support.forked_commands import ROWS_REJECTED, Command, CommandRunner
from tests.support.product_inputs import ACCOUNTS, DAYS, MONTH, PROFILES, CarrierText, Inputs, make_inputs
from tests.support.product_state import SealedFiles, file_differences, state_differences, unsettled, unsound

_AT_ONCE: Final = 4
_SETTLE_TRIES: Final = 12
# A script of all inputs takes twenty seconds of processor, and minutes on a machine with other work.
_LONGEST_SECONDS: Final = 600.0
_RECOVERY_SECONDS: Final = 4.0
# Share of operations that are killed, and during which a server process or the server is.
_KILLED_SHARE: Final = 0.2
_SERVER_SHARES: Final = {"backend": 0.08, "postmaster": 0.05}
_CODE: Final = re.compile(r"^error \[(\w+)\]", re.MULTILINE)
# Codes of a moment in which the server was away or others were in the way.
_PASSING: Final = {"warehouse_unavailable", "warehouse_contended", "claim_lost"}
# What a command may answer while it has to wait for others.
_REFUSALS: Final = {"seal": {"day_not_sealable"}, "restate": {"day_not_sealable"}}
# An account's day that another process has: nothing was collected here.
_ELSEWHERE: Final = "being collected by another process"
# A restore that names days whose final files have other records than the backup.
_RESTORED: Final = "[export] restored, but"
# How often each is started, relative.
_WEIGHTS: Final = {
    "import": 10, "take-in": 4, "repeat": 3, "collect": 8, "export": 5, "seal": 4, "restate": 3, "reconcile": 5,
    "backup": 2, "restore": 2, "erase": 2, "appear": 4, "audit": 4,
}  # fmt: skip
# The same when everything has come: files are delivered again, days are finished, old months are removed.
_LATER_WEIGHTS: Final = {
    "import": 4, "erase": 2, "repeat": 3, "again": 5, "collect": 6, "export": 3, "seal": 6, "restate": 5,
    "reconcile": 3, "retention": 6, "backup": 2, "restore": 2, "audit": 3,
}  # fmt: skip
RETENTION: Final = ("warehouse", "retention", "run")
# What must not run together with a restore: a person does not finalise days while the warehouse is being replaced.
# A later file of a series must not be loaded into a warehouse that has lost the earlier one.
_FINAL: Final = {"seal", "restate", "retention"}
_NOT_WITH_RESTORE: Final = _FINAL | {"export", "backup", "restore", "erase", "import", "take-in", "repeat", "again"}


@dataclass(slots=True)
class Operation:
    """A command of the plan.

    Attributes:
        kind: key of the plan's weights.
        arguments: of the CLI.
        began: monotonic seconds.
        kill_at: when it is killed, if it still runs.
        done: what to note when it is acknowledged.
        lost: what to note when it is not.
        ended: what to note however it ends.
    """

    kind: str
    arguments: tuple[str, ...]
    began: float
    kill_at: float
    done: Callable[[], None]
    lost: Callable[[], None]
    ended: Callable[[], None]
    command: Command
    killed: bool = False


@dataclass(slots=True)
class Series:
    """Files of one source, imported one after the other."""

    files: list[CarrierText]
    next: int = 0
    busy: bool = False


@dataclass(slots=True)
class Backup:
    """An acknowledged backup and what had been acknowledged when it began."""

    path: Path
    imported: list[int]
    erased: set[str]


@dataclass(slots=True)
class Outcome:
    """What a round found and what it did."""

    seed: int
    differences: list[str]
    log: list[str]
    acknowledged: Counter[str]
    repeated: Counter[str]
    refused: Counter[str]
    kills: Counter[str]

    def __str__(self) -> str:
        """Figures, and the log of operations where something was found."""
        figures = (
            f"seed {self.seed}: acknowledged {dict(sorted(self.acknowledged.items()))},"
            f" repeated {dict(sorted(self.repeated.items()))}, refused {dict(sorted(self.refused.items()))},"
            f" kills {dict(sorted(self.kills.items()))}"
        )
        if not self.differences:
            return figures
        return "\n".join([figures, "operations:", *self.log, "differences:", *self.differences])


class Round:
    """One product, from an empty data folder to the comparison with its model.

    Args:
        seed: decides inputs, order and kills; the moments of kills depend on timing as well.
        folder: data folder, outputs and backups go below it.
        runner: starts commands.
        model_url: an empty warehouse for the model.
        operations: how many are started before the product is settled.
        kills: whether processes are killed.
    """

    def __init__(
        self, seed: int, folder: Path, runner: CommandRunner, model_url: str, *, operations: int, kills: bool = True
    ) -> None:
        self.seed = seed
        self.folder = folder
        self._runner = runner
        self._model_url = model_url
        self._operations = operations
        self._kills = kills
        self._killing = False
        self._chance = random.Random(f"order/{seed}")
        self._inputs: Inputs = make_inputs(seed)
        self._series = [Series(files) for files in self._inputs.series]
        self._running: list[Operation] = []
        self._backups: list[Backup] = []
        self._restoring: Backup | None = None
        self._erased: set[str] = set()
        self._collected: dict[tuple[str, date], int] = {}
        self._lost: dict[tuple[str, date], float] = {}
        self._reconciled: set[date] = set()
        self._disturbed: list[float] = []
        self._server_kills: list[tuple[float, str]] = []
        self._typical: dict[str, float] = {}
        self._began = time.monotonic()
        self._server: EmbeddedServer | None = None
        self._sealed = SealedFiles(folder / "data" / "exports")
        self._outcome = Outcome(seed, [], [], Counter(), Counter(), Counter(), Counter())
        self._environment: dict[str, str] = {}

    def play(self) -> Outcome:
        """Plays the round; differences are in the outcome."""
        with run_switch(self._inputs.switch) as switch:
            self._environment = {
                "CDR_DATA_DIR": str(self.folder / "data"),
                "DAGSTER_HOME": str(self.folder / "dagster_home"),
                "CDR_API_URL": switch.url,
                "CDR_API_TOKEN": self._inputs.switch.token,
                "CDR_API_DIALECT": str(self._inputs.switch.dialect.value),
                "CDR_API_REQUESTS_PER_SECOND": "10000",
                "CDR_API_HOST_REQUESTS_PER_SECOND": "100000",
                "CDR_COLLECT_CONCURRENCY": "2",
                "CDR_UPLOAD_SETTLE_SECONDS": "0",
                "CDR_EXPORT_DIALECTS": "exact,spreadsheet",
            }
            try:
                self._prepare(self._environment)
                self._server = EmbeddedServer(self.folder / "data" / "warehouse")
                self._interleave(_WEIGHTS, self._operations * 2 // 3)
                self._drain()
                self._interleave(_LATER_WEIGHTS, self._operations // 3)
                self._drain()
                self._settle()
                self._check()
                self._compare()
            except StuckError as error:
                self._outcome.differences.append(str(error))
            finally:
                for operation in self._running:
                    self._kill(operation)
                EmbeddedServer(self.folder / "data" / "warehouse").destroy()
        return self._outcome

    # -- interleaving

    def _interleave(self, weights: dict[str, int], operations: int) -> None:
        self._killing = self._kills
        started = 0
        while started < operations:
            if len(self._running) < _AT_ONCE:
                started += self._start_any(weights)
            self._runner.update(0.03)
            self._kill_due(time.monotonic())
            self._finish()

    def _start_any(self, weights: dict[str, int]) -> bool:
        """Starts an operation of a random kind; False when none of those drawn can start now."""
        drawn = self._chance.choices(list(weights), weights=list(weights.values()), k=4)
        return any(self._start_kind(kind) for kind in drawn)

    def _start_kind(self, kind: str) -> bool:
        """Starts an operation of this kind; False when there is nothing to do or it must wait."""
        if self._restoring is not None:
            if not any(one.kind in _NOT_WITH_RESTORE for one in self._running):
                self._start_restore(self._restoring)
                return True
            if kind in _NOT_WITH_RESTORE:
                return False
        return bool(getattr(self, "_plan_" + kind.replace("-", "_"))())

    def _plan_import(self) -> bool:
        waiting = [one for one in self._series if not one.busy and one.next < len(one.files)]
        if not waiting:
            return False
        self._import_next(self._chance.choice(waiting))
        return True

    def _plan_take_in(self) -> bool:
        """A dropped file; it counts as loaded when an import of the same bytes says so."""
        waiting = [one for one in self._series if not one.busy and one.next < len(one.files)]
        if not waiting:
            return False
        series = self._chance.choice(waiting)
        file = series.files[series.next]
        folder = self.folder / "data" / "uploads" / file.account_id / file.profile
        folder.mkdir(parents=True, exist_ok=True)
        hidden = folder / f".{file.name}"
        hidden.write_text(file.content, "utf-8")
        hidden.rename(folder / file.name)
        series.busy = True
        self._start("take-in", ("take-in",), ended=lambda: setattr(series, "busy", False))
        return True

    def _plan_repeat(self) -> bool:
        """Bytes that are known, or are being loaded by another process at this moment."""
        known = [file for one in self._series for file in one.files[: one.next + one.busy]]
        if not known:
            return False
        file = self._chance.choice(known)
        # A later file of the series may be loaded meanwhile; the first one stays as it is.
        self._start("repeat", self._import_arguments(file))
        return True

    def _plan_again(self) -> bool:
        """Records that are known in a file that is not."""
        if not self._everything_came():
            return False
        self._start("again", self._import_arguments(self._chance.choice(self._inputs.again)))
        return True

    def _plan_collect(self) -> bool:
        day = self._chance.choice(DAYS)
        account = self._chance.choice(ACCOUNTS).account_id
        key, waiting, began = (account, day), self._inputs.waiting, time.monotonic()

        def collected() -> None:
            # One that ran at the same time and was killed may have landed a window that this one has not loaded.
            if began > self._lost.get(key, 0.0):
                self._collected[key] = waiting

        def lost() -> None:
            self._lost[key] = time.monotonic()
            self._collected.pop(key, None)

        arguments = ("collect", "--date", str(day), "--account", account)
        self._start("collect", arguments, done=collected, lost=lost)
        return True

    def _plan_export(self) -> bool:
        self._start("export", ("export", "--date", str(self._chance.choice(DAYS)), *self._one_account()))
        return True

    def _plan_seal(self) -> bool:
        dates = self._chance.choice([(), ("--date", str(self._chance.choice(DAYS)))])
        by = ("--override", "--by", "A. Controller", "--reason", "checked")
        self._start(
            "seal", ("days", "seal", *dates, *self._one_account(), *(by if self._chance.random() < 0.6 else ()))
        )
        return True

    def _plan_restate(self) -> bool:
        self._start("restate", ("days", "restate", "--by", "A. Controller", "--reason", "late", *self._one_account()))
        return True

    def _plan_reconcile(self) -> bool:
        day, account = self._chance.choice(DAYS), self._one_account()
        whole = not account and self._everything_came()
        done = (lambda: self._reconciled.add(day)) if whole else None
        self._start("reconcile", ("reconcile", "--date", str(day), *account), done=done)
        return True

    def _plan_retention(self) -> bool:
        """Old months go only when everything that belongs to them has come, as after months it has."""
        if not self._everything_came() or self._reconciled != set(DAYS):
            return False
        self._start("retention", RETENTION)
        return True

    def _plan_backup(self) -> bool:
        path = self.folder / f"backup-{len(self._outcome.log)}.dump"
        backup = Backup(path, [one.next for one in self._series], set(self._erased))
        self._start("backup", ("warehouse", "backup", str(path)), done=lambda: self._backups.append(backup))
        return True

    def _plan_restore(self) -> bool:
        """The restore starts when what must not run at the same time has ended."""
        if self._restoring is not None or not self._backups:
            return False
        self._restoring = self._backups[-1]
        return True

    def _start_restore(self, backup: Backup) -> None:
        for file in (self.folder / "data" / "uploads").rglob("*.csv"):
            file.unlink()
        self._disturbed.append(time.monotonic())

        def restored() -> None:
            self._restoring = None

        # One that was killed is repeated: it may have put the database in place and not yet adopted what is on disk.
        arguments = ("warehouse", "restore", str(backup.path), "--discard-newer")
        self._start("restore", arguments, done=restored, ended=lambda: self._forget(backup))

    def _plan_erase(self) -> bool:
        if self._chance.random() < 0.5 or any(one.next == 0 for one in self._series):
            return False
        account_id = self._chance.choice(ACCOUNTS).account_id
        self._start("erase", self._erase_arguments(account_id), done=lambda: self._erased.add(account_id))
        return True

    def _plan_appear(self) -> bool:
        if not self._inputs.waiting:
            return False
        self._inputs.appear()
        self._note("a document appears on the switch")
        self._outcome.acknowledged["appear"] += 1
        return True

    def _plan_audit(self) -> bool:
        """One snapshot of the warehouse while others work on it."""
        with suppress(psycopg.Error), self._connect() as connection:
            found = unsound(connection)
            self._outcome.acknowledged["audit"] += 1
            if found:
                self._note(f"audit: {found}")
                self._outcome.differences += [f"in a snapshot: {text}" for text in found]
        return True

    def _import_next(self, series: Series) -> None:
        file = series.files[series.next]
        series.busy = True

        def advance() -> None:
            series.next += 1

        self._start("import", self._import_arguments(file), done=advance, ended=lambda: setattr(series, "busy", False))

    def _everything_came(self) -> bool:
        return (
            not self._inputs.waiting
            and all(one.next == len(one.files) for one in self._series)
            and len(self._erased) == len(ACCOUNTS)
            and all(self._collected.get((one.account_id, day)) == 0 for one in ACCOUNTS for day in DAYS)
            and not any(one.kind in ("restore", "import", "take-in") for one in self._running)
        )

    def _forget(self, backup: Backup) -> None:
        """What came after the backup has to come again; a collection that runs now may be of either warehouse."""
        self._disturbed.append(time.monotonic())
        for series, imported in zip(self._series, backup.imported, strict=True):
            series.next = min(series.next, imported)
        self._erased &= backup.erased
        self._collected.clear()
        self._reconciled.clear()
        for operation in self._running:
            if operation.kind in ("collect", "reconcile"):
                operation.done = _nothing

    # -- processes

    def _start(
        self,
        kind: str,
        arguments: Sequence[str],
        *,
        done: Callable[[], None] | None = None,
        lost: Callable[[], None] | None = None,
        ended: Callable[[], None] | None = None,
    ) -> None:
        now = time.monotonic()
        span = 1.3 * self._typical.get(kind, 0.5)
        killed = self._killing and self._chance.random() < _KILLED_SHARE
        kill_at = now + (self._chance.uniform(0.02, span) if killed else 2 * _LONGEST_SECONDS)
        for name, share in _SERVER_SHARES.items() if self._killing else ():
            if self._chance.random() < share:
                self._server_kills.append((now + self._chance.uniform(0, span), name))
        command = self._runner.start(arguments, self._environment)
        self._note(f"starts {command.number}: {' '.join(arguments)[:160]}")
        self._running.append(
            Operation(
                kind, tuple(arguments), now, kill_at, done or _nothing, lost or _nothing, ended or _nothing, command
            )
        )

    def _kill_due(self, now: float) -> None:
        for operation in self._running:
            if now >= operation.kill_at and not operation.killed and operation.command.pid:
                self._kill(operation)
                self._outcome.kills["command"] += 1
                self._note(f"kills {operation.command.number}")
        for moment, name in [one for one in self._server_kills if now >= one[0]]:
            self._server_kills.remove((moment, name))
            self._kill_server(name)

    def _kill(self, operation: Operation) -> None:
        operation.killed = True
        if operation.command.pid and operation.command.code is None:
            with suppress(ProcessLookupError):
                os.killpg(operation.command.pid, signal.SIGKILL)

    def _kill_server(self, name: str) -> None:
        pids = list(self._server_pids(name))
        if pids:
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(pids), signal.SIGKILL)
            self._disturbed.append(time.monotonic())
            self._outcome.kills[name] += 1
            self._note(f"kills a {name}")

    def _server_pids(self, name: str) -> Iterator[int]:
        """The server's own pid, or those of the processes that serve one connection each."""
        assert self._server is not None
        try:
            postmaster = int((self._server.cluster / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
        except (OSError, ValueError):
            return
        if name == "postmaster":
            if str(self._server.cluster) in _command_line(postmaster):
                yield postmaster
            return
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and _parent(folder) == postmaster and " cdr " in _command_line(int(folder.name)):
                yield int(folder.name)

    def _finish(self) -> None:
        for operation in [one for one in self._running if one.command.code is not None]:
            self._running.remove(operation)
            self._judge(operation)
        for operation in self._running:
            if not operation.killed and time.monotonic() - operation.began > _LONGEST_SECONDS:
                self._kill(operation)
                raise StuckError(f"does not end: {' '.join(operation.arguments)}\n{operation.command.text[-2000:]}")

    def _judge(self, operation: Operation) -> bool:
        """Notes how an operation ended; True when it is acknowledged."""
        command, kind = operation.command, operation.kind
        self._note(f"ends {command.number} ({kind}): {command.code}")
        operation.ended()
        if kind in _FINAL | {"export"}:
            self._sealed.watch()
        if command.code == 0 and _ELSEWHERE in command.text:
            operation.lost()
            self._outcome.repeated[kind] += 1
            return False
        # The restored warehouse lacks what was loaded since: that is delivered again before anything is compared.
        restored = kind == "restore" and _RESTORED in command.text
        if command.code == 0 or restored or command.code == ROWS_REJECTED:
            took = time.monotonic() - operation.began
            self._typical[kind] = (self._typical.get(kind, took) + took) / 2
            operation.done()
            self._outcome.acknowledged[kind] += 1
            command.output.unlink(missing_ok=True)
            return True
        operation.lost()
        codes = set(_CODE.findall(command.text))
        disturbed = any(operation.began - _RECOVERY_SECONDS < moment < time.monotonic() for moment in self._disturbed)
        expected = _PASSING | _REFUSALS.get(kind, set()) | ({"incomplete_night", "warehouse"} if disturbed else set())
        if operation.killed or (codes and codes <= expected):
            refused = bool(codes & _REFUSALS.get(kind, set()))
            (self._outcome.refused if refused else self._outcome.repeated)[kind] += 1
        else:
            self._outcome.differences.append(
                f"{' '.join(operation.arguments)} ({command.number}) ended with {command.code}:\n{command.text[-3000:]}"
            )
        return False

    # -- the end of a round

    def _drain(self) -> None:
        """Lets what runs end, and has everything that is still missing come, without kills."""
        self._note("no more kills")
        self._killing = False
        self._server_kills.clear()
        while self._running:
            self._runner.update(0.1)
            self._finish()
        if self._restoring is not None:
            restoring, self._restoring = self._restoring, None
            arguments = ("warehouse", "restore", str(restoring.path), "--discard-newer")
            self._until_acknowledged("restore", arguments)
            self._forget(restoring)
        while self._inputs.waiting:
            self._inputs.appear()
        self._all_acknowledged("drain", [*self._missing_inputs(), *_reconciliations()])
        self._reconciled.update(DAYS)
        for series in self._series:
            series.next = len(series.files)
        self._erased.update(account.account_id for account in ACCOUNTS)
        self._collected.update({(account.account_id, day): 0 for account in ACCOUNTS for day in DAYS})

    def _settle(self) -> None:
        """What a night does, and a person on the day after it.

        A run of retention may have been killed between two accounts, or have found a month with a day that was sealed
        only later. The next one removes what is left, so the last one runs when every day has its final state.
        """
        restate = ("days", "restate", "--by", "A. Controller", "--reason", "late")
        again = map(self._import_arguments, self._inputs.again)
        final = [*again, *_final_commands(self._erase_arguments), restate, ("export", "--date", str(DAYS[-1]))]
        with self._connect() as connection:
            removed = connection.execute("SELECT 1 FROM removed_months").fetchall()
        self._all_acknowledged("settle", [*final, *([RETENTION] if removed else [])])
        self._sealed.watch()

    def _all_acknowledged(self, kind: str, commands: Sequence[Sequence[str]]) -> None:
        """Commands in one process, one after the other."""
        self._until_acknowledged(kind, ("script", json.dumps(commands)))

    def _until_acknowledged(self, kind: str, arguments: Sequence[str]) -> None:
        for _ in range(_SETTLE_TRIES):
            self._start(kind, arguments)
            operation = self._running[-1]
            while operation in self._running:
                self._runner.update(0.1)
                for one in [one for one in self._running if one.command.code is not None]:
                    self._running.remove(one)
                if time.monotonic() - operation.began > _LONGEST_SECONDS:
                    raise StuckError(f"does not end when nothing else runs: {' '.join(arguments)}")
            if self._judge(operation):
                return
            time.sleep(0.5)
        raise StuckError(f"is never acknowledged: {' '.join(arguments)}\n{operation.command.text[-2000:]}")

    def _check(self) -> None:
        found = self._sealed.differences()
        with self._connect() as connection:
            deadline = time.monotonic() + 15
            # Server processes of killed commands notice within seconds that their clients are gone.
            while (left := unsettled(connection)) and time.monotonic() < deadline:
                connection.rollback()
                time.sleep(0.5)
            found += left
            found += file_differences(self.folder / "data" / "exports", connection)
        self._outcome.differences += found

    def _compare(self) -> None:
        """Gives a fresh product the same inputs, one after the other, and compares."""
        folder = self.folder / "model"
        environment = self._environment | {
            "CDR_DATA_DIR": str(folder / "data"),
            "DAGSTER_HOME": str(folder / "dagster_home"),
            "CDR_WAREHOUSE_URL": self._model_url,
        }
        with self._connect() as connection:
            sealed = connection.execute(
                "SELECT account_id, business_date FROM days WHERE state <> 'open' ORDER BY 1, 2"
            ).fetchall()
            removed = connection.execute("SELECT 1 FROM removed_months").fetchall()
        product, self._environment = self._environment, environment
        self._note("the model")
        self._prepare(environment)
        by = ("--override", "--by", "A. Controller", "--reason", "checked")
        commands = [
            *self._all_imports(),
            *map(self._import_arguments, self._inputs.again),
            *(("collect", "--date", str(day)) for day in DAYS),
            *_final_commands(self._erase_arguments),
            *(("days", "seal", "--date", str(day), "--account", account_id, *by) for account_id, day in sealed),
            *([RETENTION] if removed else []),
        ]
        self._all_acknowledged("model", commands)
        self._environment = product
        with self._connect() as connection, psycopg.connect(self._model_url) as model:
            self._outcome.differences += state_differences(
                connection, self.folder / "data" / "exports", model, folder / "data" / "exports"
            )
        del self._outcome.acknowledged["model"]

    # -- commands

    def _prepare(self, environment: dict[str, str]) -> None:
        """Accounts, policies and profiles."""
        self._environment = environment
        folder = Path(environment["CDR_DATA_DIR"]) / "profiles"
        folder.mkdir(parents=True)
        for name in PROFILES:
            # A correction is a file of the same records: nobody has to release it.
            (folder / f"{name}.toml").write_text(f'overlap = "merge"\n{profile_text("generic")}', "utf-8")
        today = datetime.now(UTC).date()
        keep = (today.year * 12 + today.month) - (MONTH.year * 12 + MONTH.month + 1)
        policy = ("--by", "A. Controller", "--keep-months", str(keep))
        added = [("accounts", "add", one.account_id, "--time-zone", one.time_zone) for one in ACCOUNTS]
        policies = [("warehouse", "retention", "set", one.account_id, *policy) for one in ACCOUNTS]
        self._all_acknowledged("prepare", [*added, *policies])
        del self._outcome.acknowledged["prepare"]

    def _missing_inputs(self) -> list[tuple[str, ...]]:
        """Commands for what has not been acknowledged, or was before a restore; what was acknowledged must stay."""
        days = [(account.account_id, day) for account in ACCOUNTS for day in DAYS]
        return [
            *(self._import_arguments(file) for series in self._series for file in series.files[series.next :]),
            *(
                ("collect", "--date", str(day), "--account", account_id)
                for account_id, day in days
                if self._collected.get((account_id, day)) != 0
            ),
            *(self._erase_arguments(one.account_id) for one in ACCOUNTS if one.account_id not in self._erased),
        ]

    def _all_imports(self) -> list[tuple[str, ...]]:
        return [self._import_arguments(file) for series in self._series for file in series.files]

    def _import_arguments(self, file: CarrierText) -> tuple[str, ...]:
        path = self.folder / "files" / file.name
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_text(file.content, "utf-8")
        return ("import", str(path), "--account", file.account_id, "--profile", file.profile)

    def _erase_arguments(self, account_id: str) -> tuple[str, ...]:
        number = self._inputs.erased[account_id]
        by = ("--by", "A. Controller", "--reason", "request 17")
        return ("warehouse", "erase", number, *by, "--account", account_id, "--reissue")

    def _one_account(self) -> tuple[str, ...]:
        return self._chance.choice([(), *(("--account", one.account_id) for one in ACCOUNTS)])

    def _connect(self) -> psycopg.Connection[Any]:
        assert self._server is not None
        return psycopg.connect(self._server.url, connect_timeout=5)

    def _note(self, text: str) -> None:
        self._outcome.log.append(f"{time.monotonic() - self._began:8.2f} {text}")


class StuckError(Exception):
    """An operation does not end, or is never acknowledged."""


def _nothing() -> None:
    """Notes nothing."""


def _final_commands(erase: Callable[[str], tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """What brings any product with all inputs to the same state."""
    yield from _reconciliations()
    for account in ACCOUNTS:
        yield erase(account.account_id)
    yield from _reconciliations()
    for day in DAYS:
        yield ("export", "--date", str(day))


def _reconciliations() -> Iterator[tuple[str, ...]]:
    for day in DAYS:
        yield ("reconcile", "--date", str(day))


def _command_line(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\x00", b" ").decode(errors="replace")
    except OSError:
        return ""


def _parent(folder: Path) -> int:
    try:
        return int((folder / "stat").read_text("utf-8").rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0
