"""The live policy: asked by the pipeline, reloaded when its files change, never without a decision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any

from gateway.capabilities.policy import syntax
from gateway.capabilities.policy.bundle import Signature, signature
from gateway.capabilities.policy.loading import DEFAULT_TRIAL_S, load_policy
from gateway.capabilities.policy.policy import DEFAULT_TIMEOUT_S, Policy
from gateway.capabilities.policy.problems import PolicyError, Problem
from gateway.capabilities.policy.trial import Trial
from gateway.domain import Decision, Hook, Reason, Verdict

if TYPE_CHECKING:
    from gateway.capabilities.policy.opa_engine import OpaEngine

OnReload = Callable[[bool, str, Sequence[Problem]], None]
"""Called after every attempt to reload: whether it worked, the live revision, and what was wrong."""

_SETTLE_S = 0.05  # a change younger than this may still be being written
_NOTHING = Verdict(outcome="deny", reasons=(Reason("policy.unavailable", "no policy is loaded"),))
_TOO_LATE = Verdict(
    outcome="deny", reasons=(Reason("policy.error", "policy has changed and asks for the content of the answer now, part of which has left already"),)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptions:
    """Where the policy is and how it is loaded."""

    path: Path
    reload_s: float = 1.0
    """Seconds between looks for a change."""
    trial_s: float = DEFAULT_TRIAL_S
    """Seconds in which a policy must compile and pass its trial."""
    timeout_s: float = DEFAULT_TIMEOUT_S
    """Seconds after which a decision comes too late and is a refusal."""
    memo_entries: int = 10_000
    """Verdicts remembered per hook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatus:
    """What readiness and metrics tell about the policy."""

    revision: str
    """Of the live policy; empty while there is none."""
    loaded_ns: int = 0
    """When it went live, Unix time."""
    error: str = ""
    """Why the files as they are now are not live, one line for each problem; empty when they are. It names places and rules, never an input."""
    reloads_ok: int = 0
    reloads_failed: int = 0

    @property
    def live(self) -> bool:
        """Whether any policy can be asked."""
        return bool(self.revision)


class PolicyDecider:
    """Holds the live policy and keeps it up to date. One per process; ``decide`` belongs to the event loop's thread."""

    def __init__(
        self, options: PolicyOptions | None = None, *, policy: Policy | None = None, on_reload: OnReload | None = None, opa: OpaEngine | None = None
    ) -> None:
        """A decider of the folder in ``options`` (``start`` loads it), or of a ``policy`` made elsewhere; ``opa`` decides by it where there is one."""
        self.opa = opa
        """The OPA server that decides; ``None`` where the embedded engine does."""
        self._before: Policy | None = None
        self._options = options
        self._policy = policy
        self._on_reload = on_reload
        self._signature: Signature | None = None
        self._task: asyncio.Task[None] | None = None
        self._trial: Trial | None = None
        self._status = PolicyStatus(revision=policy.revision if policy else "", loaded_ns=time_ns() if policy else 0)

    @property
    def status(self) -> PolicyStatus:
        """The state as of now."""
        return self._status

    @property
    def revision(self) -> str:
        """Revision of the live policy; empty while there is none."""
        return self._status.revision

    @property
    def reads_answer_content(self) -> bool:
        """Whether the live answer policy refers to the content of the answer; without a policy nothing may leave early, so ``True``."""
        return self._policy.reads_answer_content if self._policy else True

    def reads(self, hook: Hook) -> frozenset[syntax.Path]:
        """The paths of the input that the live policy refers to; the empty path stands for all of it."""
        return self._policy.reads(hook) if self._policy else frozenset({()})

    async def decide(self, hook: Hook, parts: Mapping[str, Any]) -> Decision:
        """The decision of the live policy on ``parts``, the sections of the input by name; any value in them may be a callable without parameters.

        Never raises: every fault is a ``deny`` with a reason ``policy.undefined``, ``.malformed``, ``.unsupported``, ``.error``, ``.timeout`` or
        ``.unavailable``. It is a coroutine because an OPA server has to be awaited; the embedded engine decides at once.
        """
        if self._policy is None:
            return Decision(hook=hook, verdict=_NOTHING, revision="", input=b"{}", memoised=False, duration_ns=0)
        if hook is Hook.ANSWER and self._policy.reads_answer_content and _has_left(parts):
            return Decision(hook=hook, verdict=_TOO_LATE, revision=self._policy.revision, input=b"{}", memoised=False, duration_ns=0)
        if self.opa is None:
            return self._policy.decide(hook, parts)
        first, second = self._policy, self._before
        if second is not None and hook is Hook.ANSWER and second.reads_answer_content and _has_left(parts):
            second = None
        if second is not None and not self.opa.confirms(first.revision) and self.opa.confirms(second.revision):
            first, second = second, first  # the server has not loaded yet what this gateway has: until then it decides by the last one
        return await first.decide_in(self.opa, hook, parts, other=second)

    @property
    def decides_in_opa(self) -> bool:
        """Whether the OPA server answered when it was last asked, and has the live revision or the one before it."""
        return self.opa is not None and any(policy is not None and self.opa.confirms(policy.revision) for policy in (self._policy, self._before))

    async def start(self) -> None:
        """Load the policy, then look for changes until ``close``.

        Raises:
            PolicyError: The policy must not go live; nothing is running then.
        """
        options = self._required()
        self._signature = await asyncio.to_thread(signature, options.path)
        self._go_live(await self._load(options))
        if self.opa is not None:
            await self.opa.start()
        self._task = asyncio.create_task(self._watch(options), name="policy reload")

    async def close(self) -> None:
        """Stop looking for changes; a trial that runs is killed."""
        if self._trial is not None:
            self._trial.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self.opa is not None:
            await self.opa.close()

    async def reload_if_changed(self) -> bool:
        """Look once; whether there was a change (good or bad) that is now dealt with."""
        options = self._required()
        seen = await asyncio.to_thread(signature, options.path)
        if seen == self._signature:
            return False
        await asyncio.sleep(_SETTLE_S)
        if await asyncio.to_thread(signature, options.path) != seen:
            return False  # still being written: the next look will tell
        self._signature = seen
        try:
            policy = await self._load(options)
        except PolicyError as error:
            self._failed(error.problems)
        else:
            self._go_live(policy)
            self._status = replace(self._status, reloads_ok=self._status.reloads_ok + 1)
            self._tell(True, ())
        return True

    async def _watch(self, options: PolicyOptions) -> None:
        """Look again and again. A look that ends in a defect of ours is a failed reload, and the looking goes on."""
        while True:
            await asyncio.sleep(options.reload_s)
            look = asyncio.create_task(self.reload_if_changed())
            try:
                await asyncio.wait({look})
            finally:
                look.cancel()
            if not look.cancelled() and look.exception() is not None:
                self._failed((Problem(str(options.path), 0, 0, f"the reload failed: {type(look.exception()).__name__}", "see the log"),))

    async def _load(self, options: PolicyOptions) -> Policy:
        return await asyncio.to_thread(
            load_policy, options.path, trial_s=options.trial_s, memo_entries=options.memo_entries, timeout_s=options.timeout_s, started=self._trying
        )

    def _trying(self, trial: Trial) -> None:
        self._trial = trial

    def _go_live(self, policy: Policy) -> None:
        policy.prepare()
        self._before, self._policy = self._policy, policy
        self._status = replace(self._status, revision=policy.revision, loaded_ns=time_ns(), error="")

    def _failed(self, problems: Sequence[Problem]) -> None:
        error = "\n".join(str(problem) for problem in problems)
        self._status = replace(self._status, error=error, reloads_failed=self._status.reloads_failed + 1)
        self._tell(False, problems)

    def _tell(self, ok: bool, problems: Sequence[Problem]) -> None:
        if self._on_reload is not None:
            self._on_reload(ok, self.revision, problems)

    def _required(self) -> PolicyOptions:
        if self._options is None:
            raise ValueError("this decider was made for a policy, not for a folder")
        return self._options


def _has_left(parts: Mapping[str, Any]) -> bool:
    """Whether the content of the answer was let go chunk by chunk, so that its section has no text to decide about: the policy changed meanwhile."""
    answer = parts.get("answer")
    return isinstance(answer, Mapping) and "text" not in answer
