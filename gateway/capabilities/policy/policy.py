"""One compiled revision of the policy: immutable, and never at a loss for a decision."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from typing import Any, Final, Protocol

from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.contract import APPROVALS, CONTENT_OF_ANSWER, JUDGEMENTS, PARAMETERS, VERDICT_RULES, VOLATILE, covers
from gateway.capabilities.policy.memo import VerdictMemo
from gateway.capabilities.policy.projection import InputError, Projection, paths_of
from gateway.capabilities.policy.syntax import Path, Program
from gateway.capabilities.policy.verdict import VerdictError, parse
from gateway.domain import EMBEDDED, ENGINES, OPA, Decision, Hook, Reason, Verdict
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


class OtherRevisionError(EngineError):
    """The engine elsewhere answered, by another revision than it was asked for; ``revisions`` are those that it has."""

    def __init__(self, revisions: frozenset[str]) -> None:
        super().__init__("unavailable", "the OPA server decides by another revision")
        self.revisions = revisions


class Elsewhere(Protocol):
    """An engine in another process that has a policy of its own: ``opa_engine.OpaEngine``."""

    def confirms(self, names: frozenset[str]) -> bool:
        """Whether it answered when it was last asked, and had the policy of one of these names: then what it said before still holds."""

    async def evaluate(self, hook: Hook, document: str, names: frozenset[str]) -> Any:
        """The hook's verdict by a policy of one of these names, decoded, or ``UNDEFINED``; raises ``EngineError`` alone."""

    def falls_back(self, hook: Hook, fault: EngineError) -> bool:
        """Whether the embedded engine decides because of ``fault``."""


class Policy:
    """Decides by one revision of a bundle."""

    def __init__(
        self, bundle: Bundle, program: Program, *, memo_entries: int = 10_000, timeout_s: float = DEFAULT_TIMEOUT_S, engine: Engine | None = None
    ) -> None:
        """Find out what each hook refers to. ``bundle`` has passed the lint and its trial (``loading.load_policy``), ``program`` is its parsed form."""
        self.bundle = bundle
        self.program = program
        self.revision = bundle.revision
        self.names = frozenset({bundle.revision, bundle.manifest.revision} - {""})
        """What an OPA server that has this policy calls it: its revision, or the author's own name for it where it was read from a bundle."""

        self._engine: Engine = engine or EmbeddedEngine(bundle.modules, bundle.data_json)
        self._timeout_ns = int(timeout_s * 1e9)
        self._paths = {hook: paths_of(program, ("gateway", hook.value, "verdict")) for hook in Hook}
        self._projections = {hook: Projection(hook, paths) for hook, paths in self._paths.items()}
        self.reads_answer_content = _touches(self._paths[Hook.ANSWER], CONTENT_OF_ANSWER)
        """Whether the answer hook refers to the content of the answer, so that it can only be asked once the answer is complete."""

        self._reads_approvals = frozenset(hook for hook, paths in self._paths.items() if _touches(paths, (APPROVALS,)))
        self._reads_judgements = _touches(self._paths[Hook.ANSWER], JUDGEMENTS)
        self._memos = {engine: self._memories(memo_entries) for engine in ENGINES}

    def reads(self, hook: Hook) -> frozenset[Path]:
        """The paths of the input that this hook's rules refer to; the empty path stands for all of it."""
        return self._paths[hook]

    def memoises(self, hook: Hook) -> bool:
        """Whether verdicts of this hook are remembered."""
        return hook in self._memos[EMBEDDED]

    def prepare(self) -> None:
        """Compile for this thread now; a failure shows in the first decision instead."""
        try:
            self._engine.prepare()
        except EngineError:
            return

    def decide(self, hook: Hook, parts: Mapping[str, Any]) -> Decision:
        """The decision on ``parts``, in this process. Whatever goes wrong is a decision, too: ``deny``, with a reason that says what."""
        started = perf_counter_ns()
        try:
            document = self._projections[hook].document(parts)
        except InputError as fault:
            return self._decision(hook, _denial("policy.error", fault.message), fault.document, started)
        return self._decide(hook, parts, document, started)

    async def decide_in(self, opa: Elsewhere, hook: Hook, parts: Mapping[str, Any], *, other: Policy | None = None) -> Decision:
        """The decision of an OPA server that has this revision, or that of ``other``: it and this gateway need not change at one moment.

        Never raises. Where the server cannot be asked, the embedded engine decides if it may, else nobody: ``policy.unavailable`` or ``policy.timeout``.
        """
        started = perf_counter_ns()
        try:
            document = self._projections[hook].document(parts)
        except InputError as fault:
            return self._decision(hook, _denial("policy.error", fault.message), fault.document, started, engine=OPA)
        memo = self._memo(OPA, hook, parts)
        remembered = memo.get(document) if memo is not None and opa.confirms(self.names) else None
        if remembered is not None:
            return self._decision(hook, remembered, document, started, memoised=True, engine=OPA)
        try:
            value = await opa.evaluate(hook, document.decode(), self.names)
        except EngineError as fault:
            if other is not None and isinstance(fault, OtherRevisionError) and other.names & fault.revisions:
                return await other.decide_in(opa, hook, parts)
            if opa.falls_back(hook, fault):
                return self._decide(hook, parts, document, started)
            return self._decision(hook, _faulty(fault), document, started, engine=OPA)
        verdict, good = _read(hook, value)
        if memo is not None and good:
            memo.put(document, verdict)
        return self._decision(hook, verdict, document, started, engine=OPA)

    def project(self, hook: Hook, parts: Mapping[str, Any]) -> bytes:
        """The input that ``decide`` would evaluate for ``parts``.

        Raises:
            InputError: There is none that a policy may be asked about.
        """
        return self._projections[hook].document(parts)

    def remembered(self, hook: Hook, document: bytes, parts: Mapping[str, Any]) -> Decision | None:
        """The decision on a projected input, if it is remembered. For any thread."""
        memo = self._memo(EMBEDDED, hook, parts)
        verdict = memo.get(document) if memo is not None else None
        return None if verdict is None else self._decision(hook, verdict, document, perf_counter_ns(), memoised=True)

    def decide_document(self, hook: Hook, document: bytes, parts: Mapping[str, Any]) -> Decision:
        """The decision on an input that ``project`` made; of ``parts`` only the approvals and the judgements of the answer matter."""
        return self._decide(hook, parts, document, perf_counter_ns())

    def _decide(self, hook: Hook, parts: Mapping[str, Any], document: bytes, started: int) -> Decision:
        """From memory, or by the embedded engine."""
        memo = self._memo(EMBEDDED, hook, parts)
        remembered = memo.get(document) if memo is not None else None
        if remembered is not None:
            return self._decision(hook, remembered, document, started, memoised=True)
        verdict, good = self._evaluate(hook, document)
        if memo is not None and good:
            memo.put(document, verdict)
        return self._decision(hook, verdict, document, started)

    def _evaluate(self, hook: Hook, document: bytes) -> tuple[Verdict, bool]:
        """The verdict, and whether it is the policy's own, which can be remembered."""
        started = perf_counter_ns()
        try:
            value = self._engine.evaluate(VERDICT_RULES[hook], document.decode(), max_chars=MAX_VERDICT_CHARS)
        except EngineError as fault:
            return _faulty(fault), False
        if perf_counter_ns() - started > self._timeout_ns:
            return _denial("policy.timeout", "policy took too long to decide"), False
        return _read(hook, value)

    def _memories(self, entries: int) -> dict[Hook | None, VerdictMemo]:
        """One engine's memos; that of ``None`` is for answers with a confidence. What one engine said is never told as the other's."""
        memos: dict[Hook | None, VerdictMemo] = {hook: VerdictMemo(entries) for hook, paths in self._paths.items() if entries and not _volatile(paths)}
        return memos | {None: VerdictMemo(min(entries, JUDGED_ENTRIES))}

    def _memo(self, engine: str, hook: Hook, parts: Mapping[str, Any]) -> VerdictMemo | None:
        memos = self._memos[engine]
        memo = memos.get(hook)
        if hook in self._reads_approvals and parts.get("approvals"):
            return None
        if memo is not None and hook is Hook.ANSWER and self._reads_judgements and _is_judged(parts):
            return memos[None]
        return memo

    def _decision(self, hook: Hook, verdict: Verdict, document: bytes, started: int, *, memoised: bool = False, engine: str = EMBEDDED) -> Decision:
        took = perf_counter_ns() - started
        return Decision(hook=hook, verdict=verdict, revision=self.revision, input=document, memoised=memoised, duration_ns=took, engine=engine)


def _read(hook: Hook, value: Any) -> tuple[Verdict, bool]:
    """What ``value`` states, and whether it is a verdict of the contract."""
    if value is UNDEFINED:
        return _denial("policy.undefined", f"policy has no verdict for this {hook.value}"), False
    try:
        return parse(value), True
    except VerdictError as fault:
        return _denial(fault.rule, fault.message), False


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


def _faulty(fault: EngineError) -> Verdict:
    """What happened, without the engine's own words: they can quote the input."""
    if isinstance(fault, OtherRevisionError):
        return _denial("policy.unavailable", _OTHER if fault.revisions else _NONE)
    rule, what = _FAULTS.get(fault.kind, ("policy.error", "policy failed"))
    return _denial(rule, f"{what} at {fault.file}:{fault.line}" if fault.line and fault.file else what)


_FAULTS: Final = {
    "size": ("policy.malformed", "policy gave a verdict that is too large"),
    "panic": ("policy.error", "policy made the engine fail"),
    "syntax": ("policy.error", "policy does not compile"),
    "timeout": ("policy.timeout", "the OPA server took too long to decide"),
    "unavailable": ("policy.unavailable", "the OPA server cannot be asked, and nobody else may decide"),
}
_OTHER: Final = "the OPA server decides by another revision of the policy than this gateway has"
_NONE: Final = "the OPA server does not say by which revision of the policy it decides"
