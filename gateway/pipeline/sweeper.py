"""Sweeper: looks now and then for parked intents that can go on, for tasks that nobody decided in time, and for what is kept no longer.

Every process has one. What several see, one moves. It asks for what is due by an index: 100,000 that wait cost it nothing.
What goes on by its doing leaves room for others: for calls that come in, for other tenants, and, where models hang, for whoever does not wait for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import Counter

from gateway.capabilities.approvals import Hold, grant
from gateway.capabilities.intents import Loaded, sweep_expired
from gateway.capabilities.payloads import CALL, CONTEXT
from gateway.capabilities.tasks import store as moves
from gateway.domain import Reason, State, Subject
from gateway.domain_tasks import EXPIRY, QUEUE_PREFIX, REFUSE, RELEASE, Action, Mode, TaskState
from gateway.errors import GatewayError, PolicyDenied
from gateway.infrastructure.database import DatabaseError
from gateway.infrastructure.database_ledger import MoveRefused
from gateway.infrastructure.database_tasks import TaskRow
from gateway.infrastructure.telemetry.logs import RateLimitedLog, get_logger
from gateway.pipeline.kept import SECOND_NS, call_of, draft_of
from gateway.pipeline.resume import CALL_GONE, RETRY_S, resume, scopes_of
from gateway.pipeline.services import Services
from gateway.pipeline.settle import Settlement, end_parked
from gateway.pipeline.terms import is_as_asked, with_terms
from gateway.settings import Queue

AT_ONCE = 64
"""Intents that begin to go on at once by the sweeper's doing, and expired tasks that are seen to in one look."""
BEGINNING_S = 1.0
"""For how long one that goes on counts as beginning. What takes longer waits for a model: it needs a place, and no processor that others could use."""
_SHARE = 2
"""One place in so many of ``server.limits.in_flight`` is for what goes on by the sweeper's doing; all others are left to callers."""
_CLEAN_S = 60.0
_CLEANED_AT_ONCE = 50
"""Intents and payloads that go in one commit: all others wait for it. 500 with answers of 200 KB held them up for 1.8 s on SQLite."""
_CHANGED = Reason("task.changed", "what people were asked was changed in the database")
log = get_logger()
failing = RateLimitedLog("sweep.failed")


class Sweeper:
    """Looks every ``sweep_s`` seconds, and again while there is more: at once, or as soon as half of those that it began have ended."""

    def __init__(self, services: Services, *, sweep_s: float) -> None:
        self._services = services
        self._sweep_s = sweep_s
        self._task: asyncio.Task[None] | None = None
        self._going: dict[tuple[str, str], float] = {}
        """Intents that go on by its doing, and when they began to."""
        self._tenants = Counter[str]()
        """How many of them are each tenant's."""
        self._more_ready = False
        self._freed = asyncio.Event()
        """There are places for those that are ready and could not begin."""
        self._put_off: dict[tuple[str, str], float] = {}
        """Expired tasks that could not be seen to, intents that could not go on for a defect, and until when others have precedence."""
        self._cleaned = -math.inf  # the first look cleans: what a process that died left is not kept until one has lived for a minute

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._watch(), name="sweeper")

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def sweep(self) -> bool:
        """Look once; whether there may be more to do at once.

        Raises:
            DatabaseError, GatewayError: The database cannot be used now.
        """
        now_ns, now = time.time_ns(), time.monotonic()
        self._put_off = {place: until for place, until in self._put_off.items() if until > now}
        crowds = self._crowds()
        ready, lapsed = await asyncio.to_thread(self._due, now_ns, frozenset(self._put_off), frozenset(self._going), crowds)
        begun = self._begin(ready)
        self._more_ready = bool(crowds) or begun < len(ready)
        seen_to = 0
        for task in lapsed:
            place = (task.tenant, task.id)
            self._put_off[place] = time.monotonic() + RETRY_S  # unless it succeeds: neither its failure nor a defect that it meets is in the others' way
            with contextlib.suppress(MoveRefused, GatewayError):
                await expire(self._services, task, now_ns=now_ns)
                del self._put_off[place]
                seen_to += 1
        if time.monotonic() - self._cleaned > _CLEAN_S and await self._services.records.move(sweep_expired(now_ns, _CLEANED_AT_ONCE)) < _CLEANED_AT_ONCE:
            self._cleaned = time.monotonic()
        return (begun > 0 and self._more_ready and self._places() > 0) or (len(lapsed) == AT_ONCE and seen_to > 0)

    def _due(
        self, now_ns: int, put_off: frozenset[tuple[str, str]], going: frozenset[tuple[str, str]], crowds: frozenset[str]
    ) -> tuple[list[tuple[str, str]], list[TaskRow]]:
        """What is ready, but of ``crowds``, and what has expired. One more of the ready than can begin says that there are more."""
        at_most = AT_ONCE + len(put_off)
        found = self._services.intents.ready(now_ns, at_most + len(going) + 1, crowds)  # those that only just begin still are ready there
        ready = [place for place in found if place not in put_off and place not in going]
        lapsed = [task for task in self._services.tasks.lapsed(now_ns, at_most) if (task.tenant, task.id) not in put_off]
        return ready[: AT_ONCE + 1], lapsed[:AT_ONCE]

    def _begin(self, ready: list[tuple[str, str]]) -> int:
        """Let go on what there is a place for; how many that are."""
        places, begun = self._places(), 0
        for place in ready:
            if begun < places and place not in self._going and place[0] not in self._crowds():
                self._going[place] = time.monotonic()
                self._tenants[place[0]] += 1
                self._services.background.start(self._resume(*place))
                begun += 1
        return begun

    def _free(self) -> int:
        """Places that are free of those for what goes on by the sweeper's doing."""
        return max(1, self._services.limits.in_flight // _SHARE) - len(self._going)

    def _places(self) -> int:
        """How many can begin now."""
        limits = self._services.limits
        return min(AT_ONCE - self._beginning(), self._free(), limits.in_flight - limits.running)

    def _beginning(self) -> int:
        """How many have just begun, or have just tried in vain: a database that takes nothing is not asked for all of them at once."""
        now = time.monotonic()
        return sum(now < began + BEGINNING_S for began in self._going.values()) + sum(now < until <= now + BEGINNING_S for until in self._put_off.values())

    def _crowds(self) -> frozenset[str]:
        """Tenants of whom as many go on as there are places left for all others. No more of theirs begin: their models may hang."""
        free = self._free()
        return frozenset(tenant for tenant, count in self._tenants.items() if count >= free)

    async def _resume(self, tenant: str, intent_id: str) -> None:
        went_on = False
        try:
            went_on = await resume(self._services, tenant, intent_id)
            if not went_on:
                self._put_off[tenant, intent_id] = time.monotonic() + BEGINNING_S
        # It is still ready, and the first to be: a defect that it meets again and again must not be in the way of all others.
        except Exception as error:
            log.exception("resume.crashed", exc_info=error, intent_id=intent_id, tenant=tenant)
            self._put_off[tenant, intent_id] = time.monotonic() + RETRY_S
        finally:
            del self._going[tenant, intent_id]
            self._tenants -= Counter((tenant,))  # which leaves out who has none
            # What cannot go on is no reason to hurry: nothing else may be able to either.
            if went_on and self._more_ready and self._beginning() <= AT_ONCE // 2:
                self._freed.set()

    async def _watch(self) -> None:
        while True:
            more = False
            self._freed.clear()
            try:
                more = not self._services.limits.draining and await self.sweep()
            except (DatabaseError, MoveRefused, GatewayError) as error:
                failing.warning(type(error).__name__)
            # A defect in one look must not end all later ones.
            except Exception as error:
                log.exception("sweep.crashed", exc_info=error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._freed.wait(), 0 if more else self._sweep_s)


async def expire(services: Services, task: TaskRow, *, now_ns: int) -> None:
    """Do with a task that nobody decided in time what policy, or its queue, says.

    Raises:
        MoveRefused: Another process has done so, or somebody has decided.
        GatewayError: It cannot be done now.
    """
    loaded = await asyncio.to_thread(services.intents.load, task.tenant, task.intent_id)
    if loaded is None or loaded.task is None or (loaded.task.id, loaded.task.version) != (task.id, task.version):
        return  # since it was found somebody has decided, or another process has moved it: what is loaded is about another task than this one
    queue = services.queues.get(task.on_expiry.removeprefix(QUEUE_PREFIX)) if task.on_expiry.startswith(QUEUE_PREFIX) else None
    goes_on = queue is not None or task.on_expiry == RELEASE
    if goes_on and CALL in loaded.payloads and not is_as_asked(services, loaded, task, draft_of(services, loaded)):
        log.warning("task.changed", task=task.id, intent_id=task.intent_id, tenant=task.tenant)
        await end_parked(services, loaded, Settlement(State.FAILED, PolicyDenied((_CHANGED,)), TaskState.CANCELLED, "cancel", "gateway"))
    elif queue is not None:
        await _move_on(services, task, loaded, queue, now_ns)
    elif task.on_expiry == RELEASE:
        await _release(services, task, loaded, now_ns)
    else:  # REFUSE, and a queue that the config does not have any more
        error = PolicyDenied((Reason("approval.expired", "nobody decided in time"),))
        await end_parked(services, loaded, Settlement(State.EXPIRED, error, TaskState.EXPIRED, "expire", EXPIRY, facts={"on_expiry": REFUSE}))


async def _move_on(services: Services, task: TaskRow, loaded: Loaded, queue: Queue, now_ns: int) -> None:
    """The task goes to another queue, and asks from then on what that one does."""
    expires_ns = now_ns + round(queue.expires_s * SECOND_NS)
    moved = task._replace(queue=queue.name, expires_ns=expires_ns, on_expiry=queue.on_expiry)
    effect = moves.move_queue(
        task.tenant,
        task.id,
        version=task.version,
        queue=queue.name,
        due_ns=now_ns + round(queue.due_s * SECOND_NS),
        expires_ns=expires_ns,
        on_expiry=queue.on_expiry,
        now_ns=now_ns,
        announce=queue.webhook is not None,
        payloads=[with_terms(services, loaded, moved, draft_of(services, loaded))] if CONTEXT in loaded.payloads else [],
    )
    await services.records.move(effect)
    log.info("task.moved", task=task.id, intent_id=task.intent_id, tenant=task.tenant, queue=queue.name, mode=task.mode)


async def _release(services: Services, task: TaskRow, loaded: Loaded, now_ns: int) -> None:
    """The intent goes on without a person, as policy said it would: an approval in nobody's name tells policy so."""
    call = call_of(services, loaded, now_ns=now_ns)
    if call is None:
        await end_parked(services, loaded, Settlement(State.FAILED, PolicyDenied((CALL_GONE,)), TaskState.EXPIRED, "expire", EXPIRY))
        return
    scopes = scopes_of(loaded.row.call_sha256, task, draft_of(services, loaded))
    hold = Hold(
        tenant=task.tenant,
        intent_id=task.intent_id,
        task_id=task.id,
        hook=task.hook,
        mode=Mode(task.mode),
        scope_sha256=scopes[task.hook],
        hold_sha256=task.hold_sha256,
        policy_revision=task.policy_revision,
        expires_ns=now_ns + services.longest_wait_ns,
    )
    nobody = Subject(id=EXPIRY, kind="gateway", tenant=task.tenant, name=EXPIRY)
    approval = grant(services.payload_keys, hold, by=nobody, action=Action.ACCEPT, at_ns=now_ns)
    await services.records.move(moves.lapse(task.tenant, task.id, version=task.version, now_ns=now_ns, approval=approval, ready_ns=now_ns))
    services.metrics.task_ended(task.queue, task.mode, "expire", now_ns - task.created_ns)
