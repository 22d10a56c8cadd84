"""An OPA server as the engine of decisions: left alone while it is down, asked again by itself, and believed only where it has the same policy.

OPA loads its policy by its own means (a bundle), and every one of its answers names the revision by which it was made. An answer by another revision than
the one that this gateway loaded is none: the input was made for the rules of that one, and its revision is what goes on record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from gateway.capabilities.policy.contract import VERDICT_RULES
from gateway.capabilities.policy.policy import OtherRevisionError
from gateway.capabilities.routing.breakers import Breakers, OnChange
from gateway.domain import Hook
from gateway.infrastructure.policy_engine_embedded import EngineError
from gateway.infrastructure.telemetry.metrics import Metrics
from gateway.settings import BreakerLimits

if TYPE_CHECKING:
    from gateway.infrastructure.policy_engine_opa import OpaAnswer

SERVER: Final = "opa"
LIMITS: Final = BreakerLimits(failures=3, window_s=30.0, open_s=1.0)
"""When the server is left alone. Only the watch asks a server that was: no decision waits for one that is down, and one that is back is seen in a second."""
LOOK_S: Final = 1.0
"""Seconds between two looks at the server, which tell readiness without traffic. They are also how long a remembered verdict can outlive the server."""
AT_ONCE: Final = 32
"""Decisions that the server is asked for at once; the others wait for their turn, outside of the time that a decision may take. A thousand callers at one
moment would else all be late, and the server called down that is merely busy. So many keep both processes busy."""
_LOOK_AT: Final = "data.gateway.nothing"
"""No rule: nothing is evaluated, and the answer names the revision all the same."""
_DOWN: Final = frozenset({"unavailable", "timeout"})


class Server(Protocol):
    """What is asked: ``policy_engine_opa.OpaServer``."""

    async def start(self) -> None:
        """Get ready; nothing is asked yet."""

    async def close(self) -> None:
        """Let go of everything."""

    async def ask(self, rule: str, document: str) -> OpaAnswer:
        """The value of ``rule`` for the input ``document``, and by which revisions; raises ``EngineError`` alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaStatus:
    """What is known of the server, as of the last time that it was asked."""

    reachable: bool = False
    why: str = "was not asked yet"
    """What went wrong, without anything that the server said; empty while it answers."""
    revisions: frozenset[str] = frozenset()
    """Of the bundles that it has loaded."""


class OpaEngine:
    """Evaluates in an OPA server. Belongs to the event loop's thread."""

    def __init__(
        self, server: Server, metrics: Metrics, *, fallback: bool, on_change: OnChange | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        """``fallback`` says whether the embedded engine decides in the server's place; ``on_change`` is told each change of its breaker."""
        self.fallback = fallback
        self._server = server
        self._metrics = metrics
        self._breakers = Breakers({SERVER: LIMITS}, now, on_change)
        self._status = OpaStatus()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._watch: asyncio.Task[None] | None = None

    @property
    def status(self) -> OpaStatus:
        """The state as of the last time that the server was asked."""
        return self._status

    def confirms(self, names: frozenset[str]) -> bool:
        """Whether the server answered when it was last asked, and had the policy of one of these names: then what it said before still holds."""
        return self._status.reachable and not names.isdisjoint(self._status.revisions)

    async def start(self) -> None:
        """Look at the server once, then again and again until ``close``. A server that is down is no error: it may come."""
        await self._server.start()
        await self.look()
        self._watch = asyncio.create_task(self._looking(), name="look at the OPA server")

    async def close(self) -> None:
        """Stop looking, and close the connections."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        await self._server.close()

    async def evaluate(self, hook: Hook, document: str, names: frozenset[str]) -> Any:
        """The hook's verdict, as JSON that is decoded, or ``UNDEFINED``.

        Raises:
            EngineError: As ``OpaServer.ask``; ``OtherRevisionError`` where the answer was not made by the policy of one of these ``names``.
        """
        async with self._turns:
            if self._breakers.state(SERVER) != "closed":
                self._metrics.opa_asked("breaker_open")
                raise EngineError("unavailable", "the OPA server is left alone after failures")
            try:
                answer = await self._asked(VERDICT_RULES[hook], document)
            except EngineError as fault:
                self._metrics.opa_asked(fault.kind)
                raise
        if names.isdisjoint(answer.revisions):
            self._metrics.opa_asked("revision")
            raise OtherRevisionError(answer.revisions)
        self._metrics.opa_asked("ok")
        return answer.value

    def falls_back(self, hook: Hook, fault: EngineError) -> bool:
        """Whether the embedded engine decides because of ``fault``; counts it. A policy that failed on an input would fail there, too."""
        if not self.fallback or fault.kind not in _DOWN:
            return False
        self._metrics.opa_fallback(hook)
        return True

    async def look(self) -> OpaStatus:
        """Ask the server about next to nothing; the state that it is in."""
        try:
            await self._asked(_LOOK_AT, "{}")
        except EngineError:
            return self._status  # which says so
        return self._status

    async def _looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def _asked(self, rule: str, document: str) -> OpaAnswer:
        """Ask; the breaker and the status learn what came of it. Of an open breaker this is the probe."""
        permit = self._breakers.enter(SERVER)
        if permit is None:
            raise EngineError("unavailable", "the OPA server is left alone after failures")
        try:
            answer = await self._server.ask(rule, document)
            permit.success()
        except EngineError as fault:
            if fault.kind in _DOWN:
                permit.failure()
                self._status = OpaStatus(why=fault.detail)
            else:  # the policy failed on this input: the server is well, and no caller may take it down with such inputs
                permit.success()
                self._status = replace(self._status, reachable=True, why="")
            raise
        finally:
            permit.neutral()  # of one that was settled, nothing; of a call that was cancelled, that it says nothing
        if self._breakers.state(SERVER) == "closed":  # else this is an answer from before it opened, and nobody would be let to the server
            self._status = OpaStatus(reachable=True, why="", revisions=answer.revisions)
        return answer
