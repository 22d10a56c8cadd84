"""One compiled revision of the policy: immutable, and never at a loss for a decision."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from typing import Any, Final, Protocol

from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.contract import CONTENT_OF_ANSWER, JUDGEMENTS, PARAMETERS, VERDICT_RULES, VOLATILE, covers
from gateway.capabilities.policy.memo import VerdictMemo
from gateway.capabilities.policy.projection import InputError, Projection, paths_of
from gateway.capabilities.policy.syntax import Path, Program
from gateway.capabilities.policy.verdict import VerdictError, parse
from gateway.domain import Decision, Hook, Reason, Verdict
from gateway.infrastructure.policy_engine_embedded import UNDEFINED, EmbeddedEngine, EngineError

MAX_VERDICT_CHARS: Final = 65_536
JUDGED_ENTRIES: Final = 512
"""Verdicts remembered on answers with a confidence. Few signals make few scores, which come again and again; log probabilities make a new one with every
answer, and these must not push out the verdicts on all the others."""
DEFAULT_TIMEOUT_S: Final = 1.0
"""An evaluation that took longer is refused. The embedded engine cannot be interrupted: this catches what lint and trial let through, afterwards."""


class Engine(Protocol):
    """What evaluates: the embedded engine, or a stand-in for it that fails in a chosen way."""

    def evaluate(self, rule: str, document: str, *, max_chars: int) -> Any:
        """The value of ``rule`` for the input ``document``, ``UNDEFINED`` where it has none; raises ``EngineError`` alone."""

    def prepare(self) -> None:
        """Get ready for this thread; raises ``EngineError`` alone."""


class _RefusalError(Exception):
    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.reason = Reason(rule, message)


class Policy:
    """Decides by one revision of a bundle."""

    def __init__(
        self, bundle: Bundle, program: Program, *, memo_entries: int = 10_000, timeout_s: float = DEFAULT_TIMEOUT_S, engine: Engine | None = None
    ) -> None:
        """Find out what each hook refers to. ``bundle`` has passed the lint and its trial (``loading.load_policy``), ``program`` is its parsed form."""
        self.revision = bundle.revision
        self._engine: Engine = engine or EmbeddedEngine(bundle.modules, bundle.data_json)
        self._timeout_ns = int(timeout_s * 1e9)
        self._paths = {hook: paths_of(program, ("gateway", hook.value, "verdict")) for hook in Hook}
        self._projections = {hook: Projection(hook, paths) for hook, paths in self._paths.items()}
        self._memos = {hook: VerdictMemo(memo_entries) for hook, paths in self._paths.items() if memo_entries and not _volatile(paths)}
        self.reads_answer_content = _touches(self._paths[Hook.ANSWER], CONTENT_OF_ANSWER)
        """Whether the answer hook refers to the content of the answer, so that it can only be asked once the answer is complete."""

        self._reads_judgements = _touches(self._paths[Hook.ANSWER], JUDGEMENTS)
        self._judged = VerdictMemo(min(memo_entries, JUDGED_ENTRIES))

    def reads(self, hook: Hook) -> frozenset[Path]:
        """The paths of the input that this hook's rules refer to; the empty path stands for all of it."""
        return self._paths[hook]

    def memoises(self, hook: Hook) -> bool:
        """Whether verdicts of this hook are remembered."""
        return hook in self._memos

    def prepare(self) -> None:
        """Compile for this thread now; a failure shows in the first decision instead."""
        try:
            self._engine.prepare()
        except EngineError:
            return

    def decide(self, hook: Hook, parts: Mapping[str, Any]) -> Decision:
        """The decision on ``parts``. Whatever goes wrong is a decision, too: ``deny``, with a reason that says what."""
        started = perf_counter_ns()
        memo = self._memos.get(hook)
        if memo is not None and hook is Hook.ANSWER and self._reads_judgements and _is_judged(parts):
            memo = self._judged
        try:
            document = self._projections[hook].document(parts)
        except InputError as fault:
            return self._decision(hook, _denial("policy.error", fault.message), fault.document, started)
        remembered = memo.get(document) if memo is not None else None
        if remembered is not None:
            return self._decision(hook, remembered, document, started, memoised=True)
        try:
            verdict = self._evaluate(hook, document)
        except _RefusalError as fault:
            return self._decision(hook, Verdict(outcome="deny", reasons=(fault.reason,)), document, started)
        if memo is not None:
            memo.put(document, verdict)
        return self._decision(hook, verdict, document, started)

    def _evaluate(self, hook: Hook, document: bytes) -> Verdict:
        started = perf_counter_ns()
        try:
            value = self._engine.evaluate(VERDICT_RULES[hook], document.decode(), max_chars=MAX_VERDICT_CHARS)
        except EngineError as fault:
            raise _RefusalError("policy.malformed" if fault.kind == "size" else "policy.error", _told(fault)) from fault
        if perf_counter_ns() - started > self._timeout_ns:
            raise _RefusalError("policy.timeout", "policy took too long to decide")
        if value is UNDEFINED:
            raise _RefusalError("policy.undefined", f"policy has no verdict for this {hook.value}")
        try:
            return parse(value)
        except VerdictError as fault:
            raise _RefusalError(fault.rule, fault.message) from fault

    def _decision(self, hook: Hook, verdict: Verdict, document: bytes, started: int, *, memoised: bool = False) -> Decision:
        return Decision(hook=hook, verdict=verdict, revision=self.revision, input=document, memoised=memoised, duration_ns=perf_counter_ns() - started)


def _volatile(paths: frozenset[Path]) -> bool:
    return any(covers(path, volatile) or (covers(volatile, path) and volatile != PARAMETERS) for path in paths for volatile in VOLATILE)


def _touches(paths: frozenset[Path], sought: tuple[Path, ...]) -> bool:
    """Whether a reference takes in a path of ``sought``, or a part of one."""
    return any(covers(path, one) or covers(one, path) for path in paths for one in sought)


def _is_judged(parts: Mapping[str, Any]) -> bool:
    answer = parts.get("answer")
    return isinstance(answer, (dict, Mapping)) and (answer.get("confidence") is not None or bool(answer.get("signals")))


def _denial(rule: str, message: str) -> Verdict:
    return Verdict(outcome="deny", reasons=(Reason(rule, message),))


def _told(fault: EngineError) -> str:
    """What happened, without the engine's own words: they can quote the input."""
    where = f" at {fault.file}:{fault.line}" if fault.line and fault.file else ""
    what = {"size": "gave a verdict that is too large", "panic": "made the engine fail", "syntax": "does not compile"}.get(fault.kind, "failed")
    return f"policy {what}{where}"
