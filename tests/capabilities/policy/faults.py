"""Every way in which policy can fail to give a usable verdict, as a table, and deciders that fail so at one hook and allow everything at the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.decider import PolicyDecider
from gateway.capabilities.policy.policy import Policy
from gateway.capabilities.policy.syntax import Program
from gateway.domain import Decision, Hook
from gateway.infrastructure.policy_engine_embedded import EmbeddedEngine, EngineError

ALLOW = 'verdict := {"outcome": "allow"}'
ALLOW_ANY_SUBJECT = 'verdict := {"outcome": "allow"} if input.subject != 1'


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    name: str
    rule: str
    """The rule of the first reason of the decision."""
    rego: str = ALLOW
    """The rules of the failing hook's package."""
    parts: Mapping[str, Any] = field(default_factory=dict)
    """Sections of the input that replace those of the request."""
    raises: Callable[[], Any] | None = None
    """What the engine does instead of evaluating."""
    timeout_s: float = 5.0
    loaded: bool = True


def bundle_of(intent: str, answer: str, **more: Any) -> Bundle:
    modules = {"intent.rego": f"package gateway.intent\n\n{intent}\n", "answer.rego": f"package gateway.answer\n\n{answer}\n"}
    return Bundle(path=Path("policies"), modules=modules, tests={}, data=more, revision="r" * 64)


def policy_of(bundle: Bundle, **options: Any) -> Policy:
    """A policy that was neither linted nor tried."""
    return Policy(bundle, Program(EmbeddedEngine(bundle.modules, bundle.data_json).ast()), **options)


class FaultyEngine:
    """The real engine, except at one hook."""

    def __init__(self, bundle: Bundle, hook: Hook, raises: Callable[[], Any]) -> None:
        self._real = EmbeddedEngine(bundle.modules, bundle.data_json)
        self._rule = f"data.gateway.{hook.value}.verdict"
        self._raises = raises

    def prepare(self) -> None:
        self._real.prepare()

    def evaluate(self, rule: str, document: str, *, max_chars: int) -> Any:
        return self._raises() if rule == self._rule else self._real.evaluate(rule, document, max_chars=max_chars)


class FaultyDecider(PolicyDecider):
    """Fails at one hook as ``fault`` says; the other hook allows everything."""

    def __init__(self, fault: Fault, hook: Hook) -> None:
        bundle = bundle_of(*(fault.rego if each is hook else ALLOW for each in (Hook.INTENT, Hook.ANSWER)))
        engine = FaultyEngine(bundle, hook, fault.raises) if fault.raises else None
        super().__init__(policy=policy_of(bundle, engine=engine, timeout_s=fault.timeout_s))
        self._fault = fault
        self._hook = hook

    async def decide(self, hook: Hook, parts: Mapping[str, Any]) -> Decision:
        if hook is not self._hook:
            return await super().decide(hook, parts)
        if not self._fault.loaded:
            return await PolicyDecider().decide(hook, parts)
        return await super().decide(hook, {**parts, **self._fault.parts})


def _raise(error: BaseException) -> Any:
    raise error


def _verdict(name: str, verdict: str, rule: str = "policy.malformed") -> Fault:
    return Fault(name=name, rule=rule, rego=f"verdict := {verdict}")


def _obligation(name: str, obligation: str, rule: str = "policy.malformed") -> Fault:
    return _verdict(name, f'{{"outcome": "allow", "obligations": {{{obligation}}}}}', rule)


def _reasons(name: str, reasons: str) -> Fault:
    return _verdict(name, f'{{"outcome": "deny", "reasons": {reasons}}}')


def _input(name: str, subject: Any) -> Fault:
    return Fault(name=name, rule="policy.error", rego=ALLOW_ANY_SUBJECT, parts={"subject": subject})


def _deep() -> Any:
    value: Any = "x"
    for _ in range(300):
        value = [value]
    return value


FAULTS = (
    Fault(name="undefined", rule="policy.undefined", rego=f"{ALLOW} if input.subject.id == 1"),
    Fault(name="no verdict rule", rule="policy.undefined", rego="other := 1"),
    Fault(name="a verdict that ends in a false condition", rule="policy.undefined", rego=f"{ALLOW} if false"),
    _verdict("null", "null"),
    _verdict("true", "true"),
    _verdict("a text", '"allow"'),
    _verdict("a number", "1"),
    _verdict("an array", '["allow"]'),
    _verdict("a set", '{"allow"}'),
    _verdict("an empty object", "{}"),
    _verdict("no outcome", '{"obligations": {}}'),
    _verdict("an unknown outcome", '{"outcome": "maybe"}'),
    _verdict("an outcome in capitals", '{"outcome": "ALLOW"}'),
    _verdict("an outcome that is a number", '{"outcome": 1}'),
    _verdict("an outcome that is an array", '{"outcome": ["allow"]}'),
    _verdict("an unknown entry", '{"outcome": "allow", "obligation": {}}'),
    _verdict("a refusal without a reason", '{"outcome": "deny"}', "policy.denied"),
    _obligation("an unknown obligation", '"reveel": {}'),
    _verdict("obligations that are an array", '{"outcome": "allow", "obligations": []}'),
    _verdict("obligations that are null", '{"outcome": "allow", "obligations": null}'),
    _obligation("reveal to an unknown destination", '"reveal": {"modle": []}'),
    _obligation("reveal that is an array", '"reveal": ["EMAIL_ADDRESS"]'),
    _obligation("reveal of a text", '"reveal": {"model": "EMAIL_ADDRESS"}'),
    _obligation("reveal of a number", '"reveal": {"model": [1]}'),
    _obligation("reveal of a category in small letters", '"reveal": {"model": ["email_address"]}'),
    _obligation("reveal of secrets", '"reveal": {"model": ["SECRET"]}'),
    _obligation("a flag that is a number", '"allow_unscanned": 1'),
    _obligation("a flag that is a text", '"allow_unscanned": "true"'),
    _obligation("routes that are a text", '"routes": "assistant"'),
    _obligation("routes with a number", '"routes": [1]'),
    _obligation("max_tokens true", '"max_tokens": true'),
    _obligation("max_tokens zero", '"max_tokens": 0'),
    _obligation("max_tokens negative", '"max_tokens": -5'),
    _obligation("max_tokens with a fraction", '"max_tokens": 1.5'),
    _obligation("max_tokens as text", '"max_tokens": "512"'),
    _obligation("max_tokens without measure", '"max_tokens": 10000000000000000000000000'),
    _obligation("retention of no days", '"retention_days": 0'),
    _obligation("labels that are an array", '"labels": ["a"]'),
    _obligation("a label that is a number", '"labels": {"a": 1}'),
    _obligation("a label without end", '"labels": {"a": concat("", [x | some y in split("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ""); x := "0123456789"])}'),
    _obligation("sources", '"sources": []', "policy.unsupported"),
    _obligation("routes with a target of nothing", '"routes": ["/primary"]'),
    _obligation("routes with a target below a target", '"routes": ["assistant/primary/again"]'),
    _obligation("a required schema without a name", '"require_schema": ""'),
    _obligation("a required schema that is an object", '"require_schema": {"type": "object"}'),
    _obligation("an invalid answer allowed by a text", '"allow_invalid": "true"'),
    _obligation("an invalid answer allowed by null", '"allow_invalid": null'),
    _obligation("an approval of what is allowed", '"approval": {"mode": "approve"}'),
    _verdict("an approval of nobody knows what", '{"outcome": "escalate", "obligations": {"approval": {"mode": "look"}}}'),
    _verdict("an approval by the skilled", '{"outcome": "escalate", "obligations": {"approval": {"skills": ["law"]}}}', "policy.unsupported"),
    _reasons("reasons that are a text", '"no"'),
    _reasons("a reason that is a text", '["no"]'),
    _reasons("a reason without message", '[{"rule": "a"}]'),
    _reasons("a reason with more", '[{"rule": "a", "message": "b", "more": 1}]'),
    _reasons("a reason whose rule is a number", '[{"rule": 1, "message": "b"}]'),
    Fault(name="two verdicts at once", rule="policy.error", rego=f'{ALLOW} if input.subject != 1\n\nverdict := {{"outcome": "deny"}} if input.subject != 1'),
    Fault(name="division by nothing", rule="policy.error", rego='verdict := {"outcome": "allow", "reasons": [1 / count(object.get(input, "none", []))]}'),
    Fault(name="a function that does not exist", rule="policy.error", rego=f"{ALLOW} if no.such(1)"),
    Fault(name="a function that OPA has and this engine lacks", rule="policy.error", rego=f'{ALLOW} if io.jwt.decode("a.b.c")'),
    Fault(name="a rule that needs itself", rule="policy.error", rego=f"{ALLOW} if other\n\nother if not verdict"),
    Fault(name="a huge verdict", rule="policy.malformed", rego='verdict := {"outcome": "allow", "obligations": {"labels": {"a": sprintf("%070000d", [1])}}}'),
    Fault(name="a verdict as large as the engine makes one", rule="policy.malformed", rego='verdict := {"outcome": "allow", "more": numbers.range(1, 50000)}'),
    Fault(name="a panic", rule="policy.error", raises=lambda: _raise(EngineError("panic", "index out of bounds"))),
    Fault(name="an exception", rule="policy.error", raises=lambda: _raise(EngineError("error", "failed", file="intent.rego", line=3, col=1))),
    Fault(name="sources that do not compile", rule="policy.error", raises=lambda: EmbeddedEngine({"a.rego": "package"}, "{}").evaluate("data.a", "{}")),
    Fault(name="too late", rule="policy.timeout", timeout_s=0.0),
    _input("a lone surrogate", {"id": "a\ud800b"}),
    _input("a lone surrogate in a key", {"\udfff": "a"}),
    _input("NaN", {"id": float("nan")}),
    _input("infinity", {"id": [float("inf")]}),
    _input("minus infinity from a callable", lambda: {"id": {"a": -float("inf")}}),
    _input("a number beyond 64 bits", {"id": 1 << 70}),
    _input("bytes", {"id": b"a"}),
    _input("an object without a form", {"id": object()}),
    _input("a key that is no text", {("a", 1): "a"}),
    _input("an abyss", _deep()),
    _input("an endless list", {"teams": ["a"] * 5_000}),
    _input("a callable that fails", lambda: 1 // 0),
    Fault(name="no policy loaded", rule="policy.unavailable", loaded=False),
)
