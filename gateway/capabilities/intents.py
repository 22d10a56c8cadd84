"""Intents that wait for a person or came with an idempotency key: their rows, and how these move.

Every move is an ``Effect``: a function to be run in the transaction of the record writer, beside the entries that it belongs to. It looks first whether the
row, which it locks, is in the state and version that the move needs, and raises ``StaleError`` where it is not; then nothing of it is done. What is not in
``MOVES`` at all is an ``IllegalMoveError``, raised before the database is asked. Reads block: they belong into a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple, TypedDict, Unpack

from gateway.capabilities.tasks.claims import free, unheld
from gateway.domain import MOVES, State
from gateway.domain_tasks import TASK_MOVES, TaskState
from gateway.infrastructure import database_intents as rows
from gateway.infrastructure import database_tasks as task_rows
from gateway.infrastructure.database import Database
from gateway.infrastructure.database_intents import BusyError, IllegalMoveError, IntentRow, JoinError, PayloadRow, StaleError, TakenError
from gateway.infrastructure.database_ledger import Effect, LedgerTransaction
from gateway.infrastructure.database_tasks import AnnouncementRow, ApprovalRow, TaskMove, TaskRow

__all__ = ["BusyError", "IllegalMoveError", "IntentRow", "IntentStore", "JoinError", "Loaded", "PayloadRow", "StaleError", "TakenError"]

_TO_GO_ON: Final = ("call", "draft", "context")
"""The payloads that an intent needs until it has ended."""
ABANDONED_KEEP_NS: Final = 86_400_000_000_000
"""How long the row of an intent is kept whose process died, so that its caller can be told: a day, as the config's ``waiting.keep_s`` by default."""


class Loaded(NamedTuple):
    """An intent with all that hangs on it, as it was at one moment."""

    row: IntentRow
    payloads: Mapping[str, PayloadRow]
    """By kind."""
    task: TaskRow | None
    """Its newest."""
    approvals: tuple[ApprovalRow, ...]
    """Of all its tasks, the oldest first."""


class Finish(TypedDict):
    """How a running intent ends. ``answer`` is what its caller gets; without ``keep_key`` its idempotency key is free again."""

    state: State
    now_ns: int
    http_status: int | None
    answer: PayloadRow | None
    expires_ns: int
    keep_key: bool


class Settle(TypedDict):
    """How a waiting intent and its task end. ``version`` is the intent's; ``move`` is the last of the task's history, its ``seq`` is not looked at."""

    version: int
    state: State
    now_ns: int
    http_status: int | None
    answer: PayloadRow | None
    expires_ns: int
    task_state: TaskState
    move: TaskMove


class IntentStore:
    """What can be asked of intents. Every method blocks and may raise ``DatabaseError``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, tenant: str, intent_id: str) -> IntentRow | None:
        """A tenant's intent; ``None`` if it has no row."""
        with self._database.read() as connection:
            return rows.intent_of(connection, tenant, intent_id)

    def load(self, tenant: str, intent_id: str, only: str | None = None) -> Loaded | None:
        """A tenant's intent with all that hangs on it, in one snapshot; with ``only`` nothing but its payload of that kind is read beside the row."""
        with self._database.read() as connection:
            row = rows.intent_of(connection, tenant, intent_id)
            if row is None:
                return None
            if only is not None:
                one = rows.payload_of(connection, tenant, intent_id, only)
                return Loaded(row, {} if one is None else {only: one}, None, ())
            task = None if row.task_id is None else task_rows.task_of(connection, tenant, row.task_id)
            approvals = tuple(task_rows.approvals_of_intent(connection, tenant, intent_id))
            return Loaded(row, rows.payloads_of(connection, tenant, intent_id), task, approvals)

    def ended(self, places: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of intents (tenant, id) that are in a final state, or have no row any more. One question for everybody who waits in this process."""
        if not places:
            return []
        with self._database.read() as connection:
            under_way = rows.under_way(connection, places)
        return [place for place in places if place not in under_way]

    def by_key(self, tenant: str, subject: str, key: str) -> IntentRow | None:
        """The intent that a subject's idempotency key belongs to."""
        with self._database.read() as connection:
            return rows.intent_by_key(connection, tenant, subject, key)

    def same_call(self, tenant: str, subject: str, call_sha256: str, since_ns: int) -> IntentRow | None:
        """The newest intent that is the same call, was created at or after ``since_ns``, and waits, runs or has an outcome that nobody has fetched.

        None that came with an idempotency key, and none that was cancelled: who sends it again wants it done.
        """
        with self._database.read() as connection:
            return rows.joinable_intent(connection, tenant, subject, call_sha256, since_ns)

    def ready(self, now_ns: int, limit: int, without: Collection[str] = ()) -> list[tuple[str, str]]:
        """Tenant and id of parked intents that can go on now, those first that could first; of no tenant in ``without``."""
        with self._database.read() as connection:
            return rows.ready_intents(connection, now_ns, limit, without)


def begin(row: IntentRow) -> Effect[None]:
    """An idempotent call starts: its row is there, running.

    Raises within the transaction ``TakenError`` with the intent that has the key.
    """
    if row.state != State.RUNNING or row.version != 1 or row.idempotency_key is None:
        raise IllegalMoveError("an intent begins as the first version of one that runs and has an idempotency key")

    def effect(ledger: LedgerTransaction) -> None:
        _insert(ledger, row)

    return effect


def park(row: IntentRow, *, task: TaskRow, payloads: Sequence[PayloadRow], announce: bool, join_since_ns: int | None) -> Effect[None]:
    """An intent waits for a person from now on, with its task, and what it takes to go on with it.

    ``row`` is as it will be. Its first version is added; where the same call is there since ``join_since_ns`` (see ``IntentStore.same_call``),
    ``JoinError`` says which it is. A later one is of an intent that runs as the version before.
    """
    place = (row.tenant, row.id)
    theirs = (task.tenant, task.intent_id, task.id) == (*place, row.task_id) and all((each.tenant, each.intent_id) == place for each in payloads)
    if row.state != State.PARKED or task.state != TaskState.OPEN or task.version != 1 or not theirs:
        raise IllegalMoveError("an intent is parked with the first version of an open task, and with payloads, of its own")

    def effect(ledger: LedgerTransaction) -> None:
        connection = ledger.connection
        if row.version == 1:
            _insert(ledger, row, join_since_ns)
        else:
            before = _in_state(rows.locked_intent(connection, row.tenant, row.id), State.RUNNING, row.version - 1)
            rows.change_intent(connection, before, row._replace(created_ns=before.created_ns, idempotency_key=before.idempotency_key, expires_ns=None))
        rows.put_payloads(connection, payloads)
        task_rows.insert_task(connection, task)
        task_rows.record_move(connection, TaskMove(task.tenant, task.id, 1, task.created_ns, "open", task.requester, task.requester_name, "{}"))
        if announce:
            task_rows.announce(connection, AnnouncementRow(task.tenant, task.id, task.queue, task.created_ns, 0))

    return effect


def resume(tenant: str, intent_id: str, *, version: int, now_ns: int, trace: str, approvals: Sequence[str]) -> Effect[None]:
    """A parked intent goes on, under a new ``traceparent``. These approvals are used by it: all of them still have to stand, and none was used before."""

    def effect(ledger: LedgerTransaction) -> None:
        row = _in_state(rows.locked_intent(ledger.connection, tenant, intent_id), State.PARKED, version)
        rows.change_intent(ledger.connection, row, row._replace(state=State.RUNNING.value, version=version + 1, changed_ns=now_ns, trace=trace, ready_ns=None))
        if not task_rows.use_approvals(ledger.connection, tenant, intent_id, approvals, now_ns):
            raise StaleError(f"an approval of intent {intent_id} was used or revoked", state=row.state)

    return effect


def finish(tenant: str, intent_id: str, **end: Unpack[Finish]) -> Effect[None]:
    """A running intent ends; what it took to go on with it is dropped, and what its caller gets is kept."""
    _legal(State.RUNNING, end["state"])

    def effect(ledger: LedgerTransaction) -> None:
        row = _in_state(rows.locked_intent(ledger.connection, tenant, intent_id), State.RUNNING, None)
        key = row.idempotency_key if end["keep_key"] else None
        _end(ledger, row, _ended(row, end)._replace(idempotency_key=key), end["answer"])

    return effect


def settle(tenant: str, intent_id: str, **end: Unpack[Settle]) -> Effect[None]:
    """A parked intent ends without having gone on, and its task with it. A task that has ended before stays as it did, with ``move`` in its history.

    What one person decides is refused, as a claim or a decision would be, where another one works on the task.
    """
    _legal(State.PARKED, end["state"])
    if TASK_MOVES[end["task_state"]]:
        raise IllegalMoveError(f"a task does not end as {end['task_state']}")

    def effect(ledger: LedgerTransaction) -> None:
        row = _in_state(rows.locked_intent(ledger.connection, tenant, intent_id), State.PARKED, end["version"])
        if row.task_id is not None:
            _end_task(ledger, task_rows.locked_task(ledger.connection, tenant, row.task_id), end)
        _end(ledger, row, _ended(row, end), end["answer"])

    return effect


def postpone(tenant: str, intent_id: str, *, ready_ns: int) -> Effect[None]:
    """An intent that could go on is tried again later. One that waits for its person is not touched."""

    def effect(ledger: LedgerTransaction) -> None:
        row = _in_state(rows.locked_intent(ledger.connection, tenant, intent_id), State.PARKED, None)
        if row.ready_ns is None:
            raise StaleError(f"intent {intent_id} waits for a person", state=row.state)
        if row.ready_ns != ready_ns:
            rows.change_intent(ledger.connection, row, row._replace(ready_ns=ready_ns))

    return effect


def collected(tenant: str, intent_id: str, *, now_ns: int) -> Effect[None]:
    """The caller has been told how an intent ended. The first time stays."""

    def effect(ledger: LedgerTransaction) -> None:
        row = rows.locked_intent(ledger.connection, tenant, intent_id)
        if MOVES[State(row.state)]:
            raise StaleError(f"intent {intent_id} is {row.state} and has not ended", state=row.state)
        if row.collected_ns is None:
            rows.change_intent(ledger.connection, row, row._replace(collected_ns=now_ns))

    return effect


def sweep_expired(now_ns: int, limit: int, *, abandoned_keep_ns: int = ABANDONED_KEEP_NS) -> Effect[int]:
    """Delete what has expired: intents that ended, with all that hangs on them, and payloads; how many of both, up to ``limit`` of each.

    Intents whose process died get an expiry, ``abandoned_keep_ns`` from now, and lose what it would take to go on with them.
    """

    def effect(ledger: LedgerTransaction) -> int:
        rows.date_abandoned(ledger.connection, now_ns + abandoned_keep_ns, _TO_GO_ON, limit)
        return rows.delete_expired(ledger.connection, now_ns, limit) + rows.delete_expired_payloads(ledger.connection, now_ns, limit)

    return effect


def _insert(ledger: LedgerTransaction, row: IntentRow, join_since_ns: int | None = None) -> None:
    """Add an intent, unless its key is taken, or there is one that it can join."""
    connection = ledger.connection
    if row.idempotency_key is not None:
        ledger.lock(f"key/{row.tenant}/{row.subject}/{row.idempotency_key}")
        taken = rows.intent_by_key(connection, row.tenant, row.subject, row.idempotency_key)
        if taken is not None and (taken.expires_ns is None or taken.expires_ns > row.created_ns):
            raise TakenError(taken)
        if taken is not None:
            rows.change_intent(connection, taken, taken._replace(idempotency_key=None))
    elif join_since_ns is not None:
        ledger.lock(f"call/{row.tenant}/{row.subject}/{row.call_sha256}")
        same = rows.joinable_intent(connection, row.tenant, row.subject, row.call_sha256, join_since_ns)
        if same is not None:
            raise JoinError(same.id)
    rows.insert_intent(connection, row._replace(expires_ns=None))


def _ended(row: IntentRow, end: Finish | Settle) -> IntentRow:
    """The row as it will be."""
    state, status = end["state"].value, end["http_status"]
    return row._replace(state=state, version=row.version + 1, changed_ns=end["now_ns"], ready_ns=None, http_status=status, expires_ns=end["expires_ns"])


def _end(ledger: LedgerTransaction, row: IntentRow, after: IntentRow, answer: PayloadRow | None) -> None:
    rows.change_intent(ledger.connection, row, after)
    rows.drop_payloads(ledger.connection, row.tenant, row.id, _TO_GO_ON)
    rows.put_payloads(ledger.connection, () if answer is None else (answer,))


def _end_task(ledger: LedgerTransaction, task: TaskRow, end: Settle) -> None:
    connection, move = ledger.connection, end["move"]._replace(tenant=task.tenant, task_id=task.id)
    if TASK_MOVES[TaskState(task.state)]:
        if end["task_state"] is TaskState.DECIDED:
            unheld(task, move.by, end["now_ns"])
        ended = free(task)._replace(state=end["task_state"].value, outcome=move.move)
        task_rows.change_task(connection, task, ended)
    task_rows.record_move(connection, move)
    task_rows.unannounce(connection, task.tenant, task.id)


def _legal(before: State, after: State) -> None:
    if after not in MOVES[before] or MOVES[after]:
        raise IllegalMoveError(f"an intent that is {before} does not end as {after}")


def _in_state(row: IntentRow, state: State, version: int | None) -> IntentRow:
    """The row, if it is in this state and, where one is given, version."""
    if row.state != state:
        raise StaleError(f"intent {row.id} is {row.state}, not {state}", state=row.state)
    if version is not None and row.version != version:
        raise StaleError(f"intent {row.id} has changed meanwhile: version {row.version}, not {version}", state=row.state)
    return row
