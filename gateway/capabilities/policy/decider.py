"""The live policy: asked by the pipeline, reloaded when its source changes, never without a decision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import time_ns
from typing import TYPE_CHECKING, Any

from gateway.capabilities.policy import syntax
from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.loading import DEFAULT_TRIAL_S, compile_policy
from gateway.capabilities.policy.policy import DEFAULT_TIMEOUT_S, Policy
from gateway.capabilities.policy.problems import PolicyError, Problem
from gateway.capabilities.policy.sources import Source, SourceOptions, UnreachableError, source_of
from gateway.capabilities.policy.trial import Trial
from gateway.domain import Decision, Hook, Reason, Verdict

if TYPE_CHECKING:
    from gateway.capabilities.policy.opa_engine import OpaEngine

OnReload = Callable[[bool, str, Sequence[Problem]], None]
"""Called after every attempt to reload: whether it worked, the live revision, and what was wrong."""

_LABELS = 100
"""Names of revisions remembered, for intents that were decided by one that is not live any more."""
_NOTHING = Verdict(outcome="deny", reasons=(Reason("policy.unavailable", "no policy is loaded"),))
_TOO_LATE = Verdict(
    outcome="deny", reasons=(Reason("policy.error", "policy has changed and asks for the content of the answer now, part of which has left already"),)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptions(SourceOptions):
    """Where the policy is and how it is loaded."""

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
    label: str = ""
    """The author's own name for this revision, from the bundle's manifest."""
    signed: str = ""
    """How the bundle's signature was checked; empty where none was asked for."""
    kept: bool = False
    """Whether the live policy is the kept bundle, because at the start the source had none that may go live; ``error`` says why."""
    loaded_ns: int = 0
    """When it went live, Unix time."""
    error: str = ""
    """Why what the source has now is not live, or not kept, one line for each problem; else empty. It names places and rules, never an input."""
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
        """A decider of the source in ``options`` (``start`` loads it), or of a ``policy`` made elsewhere; ``opa`` decides by it where there is one."""
        self.opa = opa
        """The OPA server that decides; ``None`` where the embedded engine does."""
        self._before: Policy | None = None
        self._options = options
        self._policy = policy
        self._on_reload = on_reload
        self._source: Source | None = None
        self._bundle: Bundle | None = None
        self._labels: dict[str, str] = {}
        self._unkept = False
        self._task: asyncio.Task[None] | None = None
        self._trial: Trial | None = None
        self._status = PolicyStatus(revision=policy.revision if policy else "", loaded_ns=time_ns() if policy else 0)

    @property
    def status(self) -> PolicyStatus:
        """The state as of now."""
        return self._status

    @property
    def policy(self) -> Policy | None:
        """The live policy, to ask it apart from the intents (explanations); ``None`` while there is none."""
        return self._policy

    @property
    def revision(self) -> str:
        """Revision of the live policy; empty while there is none."""
        return self._status.revision

    def label_of(self, revision: str) -> str:
        """The author's own name for a revision that is, or was, live in this process; empty where it has none."""
        return self._labels.get(revision, "")

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
        if second is not None and not self.opa.confirms(first.names) and self.opa.confirms(second.names):
            first, second = second, first  # the server has not loaded yet what this gateway has: until then it decides by the last one
        return await first.decide_in(self.opa, hook, parts, other=second)

    @property
    def decides_in_opa(self) -> bool:
        """Whether the OPA server answered when it was last asked, and has the live revision or the one before it."""
        return self.opa is not None and any(policy is not None and self.opa.confirms(policy.names) for policy in (self._policy, self._before))

    async def start(self) -> None:
        """Load the policy, then look for changes until ``close``, which is due whatever came of it.

        Raises:
            PolicyError: The policy must not go live; nothing is running then.
        """
        options = self._required()
        self._source = source = source_of(options)
        await self._first(source, options)
        if self.opa is not None:
            await self.opa.start()
        self._task = asyncio.create_task(self._watch(source), name="policy reload")

    async def close(self) -> None:
        """Stop looking for changes; a trial that runs is killed."""
        if self._trial is not None:
            self._trial.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._source is not None:
            await self._source.close()
        if self.opa is not None:
            await self.opa.close()

    async def reload_if_changed(self) -> bool:
        """Look once; whether there was a change (good or bad) that is now dealt with."""
        options, source = self._required(), self._source
        if source is None:
            raise ValueError("this decider was not started")
        try:
            bundle = await source.look()
            if bundle is None:
                return False
            if bundle is self._bundle:
                return await self._recovered(source, bundle)
            policy = await self._compiled(bundle, options)
        except PolicyError as error:
            if isinstance(error, UnreachableError) and str(error) == self._status.error:
                return False
            self._failed(error.problems)
        else:
            self._go_live(policy, bundle)
            self._status = replace(self._status, reloads_ok=self._status.reloads_ok + 1)
            await self._accept(source, bundle)
            self._tell(True, ())
        return True

    async def _first(self, source: Source, options: PolicyOptions) -> None:
        """Go live with what the source has, else with what was kept of it."""
        try:
            bundle = await source.look()
            if bundle is None:
                raise AssertionError("a first look always tells")
            self._go_live(await self._compiled(bundle, options), bundle)
        except PolicyError as error:
            kept = await source.kept()
            if kept is None:
                raise
            self._go_live(await self._compiled(kept, options), kept)
            self._status = replace(self._status, kept=True)
            self._failed(error.problems)
        else:
            await self._accept(source, bundle)

    async def _accept(self, source: Source, bundle: Bundle) -> None:
        self._bundle = bundle
        try:
            await source.accepted(bundle)
            self._unkept = False
        except OSError as error:
            self._unkept = True
            self._status = replace(self._status, error=str(Problem("policy.keep", 0, 0, "the live bundle cannot be kept", error.strerror or "see the folder")))

    async def _recovered(self, source: Source, bundle: Bundle) -> bool:
        """The source has what is live, again or still; whether that is news."""
        if self._unkept:
            await self._accept(source, bundle)
        news = bool(self._status.error) and not self._unkept
        if news:
            self._status = replace(self._status, error="")
            self._tell(True, ())
        return news

    async def _watch(self, source: Source) -> None:
        """Look again and again. A look that ends in a defect of ours is a failed reload, and the looking goes on."""
        while True:
            await asyncio.sleep(source.interval_s)
            look = asyncio.create_task(self.reload_if_changed())
            try:
                await asyncio.wait({look})
            finally:
                look.cancel()
            if not look.cancelled() and look.exception() is not None:
                self._failed((Problem(source.place, 0, 0, f"the reload failed: {type(look.exception()).__name__}", "see the log"),))

    async def _compiled(self, bundle: Bundle, options: PolicyOptions) -> Policy:
        return await asyncio.to_thread(
            compile_policy, bundle, trial_s=options.trial_s, memo_entries=options.memo_entries, timeout_s=options.timeout_s, started=self._trying
        )

    def _trying(self, trial: Trial) -> None:
        self._trial = trial

    def _go_live(self, policy: Policy, bundle: Bundle) -> None:
        policy.prepare()
        self._before = self._policy if self.opa is not None else None
        self._policy = policy
        if bundle.manifest.revision or policy.revision in self._labels:
            self._labels[policy.revision] = bundle.manifest.revision
        while len(self._labels) > _LABELS:
            del self._labels[next(iter(self._labels))]
        self._status = replace(
            self._status, revision=policy.revision, label=bundle.manifest.revision, signed=bundle.signed, kept=False, loaded_ns=time_ns(), error=""
        )

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
