"""What the verdicts of the hooks can come to, as far as it is written out: entries and values that the contract does not know, outcomes that never come."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from gateway.capabilities.policy.contract_forms import Schema
from gateway.capabilities.policy.contract_schemas import OF_ONE_HOOK, verdict_schema
from gateway.capabilities.policy.problems import Problem
from gateway.capabilities.policy.syntax import Module, Node, Path, Program, Rule, literal_text, reference
from gateway.capabilities.policy.verdict import MODES, NOT_BUILT, OUTCOMES
from gateway.domain import SECRET, Hook
from gateway.domain_tasks import Mode

_SCALARS: Final = frozenset({"String", "RawString", "Number", "Bool", "Null"})
_SHAPES: Final = {"Object": ("object",), "Array": ("array",), "Set": ("array",), "ArrayCompr": ("array",), "SetCompr": ("array",), "ObjectCompr": ("object",)}


class Branch(NamedTuple):
    """One way in which a rule gets its value: the value, and the conditions on which it has it (none: always)."""

    rule: Rule
    value: Node | None
    conditions: Sequence[Node]
    is_default: bool


def branches(rule: Rule) -> Iterator[Branch]:
    """The branches of one definition; ``value`` is ``None`` for ``true``."""
    if "Default" in rule.node:
        yield Branch(rule, rule.node["Default"]["value"], (), True)
        return
    form = next(iter(rule.node["Spec"]["head"].values()))
    value = form.get("key") if rule.kind == "set" else (form.get("assign") or {}).get("value")
    bodies = rule.node["Spec"]["bodies"]
    if not bodies:
        yield Branch(rule, value, (), False)
    for at, body in enumerate(bodies):
        own = body["assign"]["value"] if body["assign"] else (value if at == 0 else None)
        yield Branch(rule, own, [statement["literal"] for statement in body["query"]["stmts"]], False)


def check_shape(program: Program, hook: Hook) -> Iterator[Problem]:
    """Entries and values of a verdict that its parser would refuse, in every branch, also in those that no sample reaches."""
    seen: set[Path] = set()
    for rule in program.rules.get(("gateway", hook.value, "verdict"), ()):
        for branch in branches(rule):
            if branch.value is not None:
                yield from _Shape(program, hook, seen).of(rule.module, branch.value, verdict_schema(), "verdict")


def advise_outcomes(program: Program, hook: Hook, never: Callable[[Rule, Node], Problem | None]) -> Iterator[Problem]:
    """A verdict without a default, and a hook that can never say ``allow``. ``never`` tells why a condition cannot hold."""
    every = [branch for rule in program.rules.get(("gateway", hook.value, "verdict"), ()) for branch in branches(rule)]
    if not every:
        return
    first = every[0].rule
    if all(branch.conditions and not branch.is_default for branch in every):
        hint = f'default verdict := {{"outcome": "deny", "reasons": [{{"rule": "{hook}.default", "message": "no rule allows this"}}]}}'
        what = "verdict has no default: where no rule holds, the refusal is policy.undefined and says nothing"
        yield Problem(first.module.file, first.line, first.col, what, hint, "no-default", warning=True)
    live = (branch for branch in every if not any(never(branch.rule, condition) for condition in branch.conditions))
    if not any(_may_allow(program, branch) for branch in live):
        what = f"no rule can produce the outcome allow: every {hook} is refused"
        yield Problem(first.module.file, first.line, first.col, what, 'verdict := {"outcome": "allow"} if {...}', "no-allow", warning=True)


def _may_allow(program: Program, branch: Branch) -> bool:
    found = outcomes_of(program, branch)
    return found is None or "allow" in found


def outcomes_of(program: Program, branch: Branch) -> frozenset[str] | None:
    """The outcomes that a branch can have; ``None`` where it is computed."""
    outcome = dict(_entries(branch.value)).get("outcome") if branch.value is not None else None
    if outcome is None:
        return None
    text = literal_text(outcome)
    if text is not None:
        return frozenset({text})
    named = _rules_of(program, branch.rule.module, outcome)
    texts = [literal_text(inner.value) if inner.value is not None else None for rule in named for inner in branches(rule)]
    return frozenset(text for text in texts if text is not None) if texts and None not in texts else None


def _rules_of(program: Program, module: Module, node: Node) -> list[Rule]:
    """The definitions of the rule that an expression is the name of."""
    found = reference(node)
    path = program.resolve(module, found.name, found.literal) if found and found.name and len(found.literal) == len(found.segments) else None
    if path is None or path[0] != "data":
        return []
    rules = program.rules.get(path[1:], [])
    return [] if any(rule.keyed or rule.kind == "function" for rule in rules) else rules


def _entries(node: Node) -> list[tuple[str, Node]]:
    """The entries of a literal object whose keys are literal."""
    fields = node.get("Object", {}).get("fields", [])
    return [(text, value) for _, key, value in fields if (text := literal_text(key)) is not None]


class _Shape:
    """Holds what is literal in a verdict to the schema of verdicts, through the rules that it names."""

    def __init__(self, program: Program, hook: Hook, seen: set[Path]) -> None:
        self._program = program
        self._hook = hook
        self._seen = seen

    def of(self, module: Module, node: Node, schema: Schema, where: str) -> Iterator[Problem]:
        kind = next(iter(node), "")
        if not schema:  # anything will do; a rule that names itself ends here, too
            return
        if kind in _SCALARS:
            fault = _fault(node[kind].get("value"), schema, where)
            if fault:
                yield self._problem(module, node, *fault)
        elif kind in _SHAPES:
            if schema.get("type") not in _SHAPES[kind]:
                yield self._problem(module, node, f"{where} must be {_kind(schema)}", "")
            elif kind == "Object":
                yield from self._object(module, node, schema, where)
            elif kind in {"Array", "Set"} and len(node[kind]["items"]) > schema.get("maxItems", math.inf):
                yield self._problem(module, node, f"{where} must have at most {schema['maxItems']} entries", "")
            elif kind in {"Array", "Set"}:
                for item in node[kind]["items"]:
                    yield from self.of(module, item, schema["items"], f"{where}[_]")
        else:
            yield from self._named(module, node, schema, where)

    def _object(self, module: Module, node: Node, schema: Schema, where: str) -> Iterator[Problem]:
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        entries = _entries(node)
        for (name, value), (_, key, _) in zip(entries, node["Object"]["fields"], strict=False):
            if name in known or others:
                yield from self._of_hook(module, key, name, where)
                yield from self._of_mode(module, value, f"{where}.{name}")
                yield from self.of(module, value, known.get(name, others), f"{where}.{name}")
            else:
                yield self._unknown(module, key, (where, name), known)
        if where == "verdict":
            yield from self._of_outcome(module, dict(entries))
        missing = [name for name in schema.get("required", ()) if name not in dict(entries)]
        if missing and len(entries) == len(node["Object"]["fields"]):
            yield self._problem(
                module, node, f"{where} needs {', '.join(missing)}", f"it is one of {', '.join(OUTCOMES)}" if missing == ["outcome"] else "add it"
            )

    def _unknown(self, module: Module, key: Node, place: tuple[str, str], known: Iterable[str]) -> Problem:
        """An entry that the schema does not have."""
        where, name = place
        if name in NOT_BUILT and where == "verdict.obligations":
            what = f"{where}.{name} is an obligation that this gateway cannot fulfil yet"
            return self._problem(module, key, what, "every such intent is refused", warning=True)
        close = difflib.get_close_matches(name, known, n=1)
        return self._problem(module, key, f"{where} has no entry {name}", f"did you mean {close[0]}?" if close else f"it has {', '.join(known)}")

    def _of_hook(self, module: Module, key: Node, name: str, where: str) -> Iterator[Problem]:
        """Obligations that come too late, or too early, for this hook."""
        if where == "verdict.obligations" and OF_ONE_HOOK.get(name, self._hook) is not self._hook:
            what = f"{name} can only be demanded of an {OF_ONE_HOOK[name]}: every {self._hook} with it is refused"
            yield self._problem(module, key, what, f"demand it in gateway.{OF_ONE_HOOK[name]}", warning=True)

    def _of_mode(self, module: Module, value: Node, where: str) -> Iterator[Problem]:
        """What a person cannot be asked to do at this hook."""
        mode = literal_text(value) if where == "verdict.obligations.approval.mode" else None
        if mode in set(Mode) and Mode(mode) not in MODES[self._hook]:
            can = " or ".join(MODES[self._hook])
            what = f"the mode {mode} can not be demanded of an {self._hook}: it is refused"
            yield self._problem(module, value, what, f"write {can}", warning=True)

    def _of_outcome(self, module: Module, entries: dict[str, Node]) -> Iterator[Problem]:
        """Terms for a person where none is asked."""
        outcome = literal_text(entries["outcome"]) if "outcome" in entries else None
        demanded = entries.get("obligations", {})
        for (name, _), (_, key, _) in zip(_entries(demanded), demanded.get("Object", {}).get("fields", ()), strict=False):
            if name == "approval" and outcome in {"allow", "deny"}:
                yield self._problem(module, key, "verdict.obligations.approval belongs to the outcome escalate alone", 'write "outcome": "escalate"')

    def _named(self, module: Module, node: Node, schema: Schema, where: str) -> Iterator[Problem]:
        for rule in _rules_of(self._program, module, node):
            key = (where, rule.module.file, str(rule.line))
            if key in self._seen:
                continue
            self._seen.add(key)
            for branch in branches(rule):
                if branch.value is not None:
                    inner, at = (schema.get("items", {}), f"{where}[_]") if rule.kind == "set" else (schema, where)
                    yield from self.of(rule.module, branch.value, inner, at)

    def _problem(self, module: Module, node: Node, what: str, hint: str, *, warning: bool = False) -> Problem:
        return Problem(module.file, *module.place(node), what, hint, "verdict-shape", warning=warning)


def _kind(schema: Schema) -> str:
    kind = str(schema.get("type", "anything"))
    return f"an {kind}" if kind[0] in "aeio" else f"a {kind}"


def _fault(value: Any, schema: Schema, where: str) -> tuple[str, str] | None:
    """What is wrong with a literal, and what to write."""
    kind = {str: "string", bool: "boolean", int: "integer", float: "number"}.get(type(value), "null")
    if kind != schema.get("type", kind):
        return f"{where} must be {_kind(schema)}", ""
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} must be one of {', '.join(schema['enum'])}", ""
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return f"{where} must be from {schema['minimum']} to {schema['maximum']}", ""
    return _text_fault(value, schema, where) if isinstance(value, str) else None


def _text_fault(value: str, schema: Schema, where: str) -> tuple[str, str] | None:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return f"{where} must have from {schema['minLength']} to {schema['maxLength']} characters", ""
    if value == SECRET and ".reveal." in where:
        return f"{where} grants secrets, which are never granted", "remove it"
    return (f"{where} is not of the form {schema['pattern']}", "") if "pattern" in schema and not re.search(schema["pattern"], value) else None
