"""What differs between two policies: in their rules, whatever their files and formatting are, in their data, and in what of an intent they look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from gateway.capabilities.policy.bundle import Bundle
from gateway.capabilities.policy.contract import covers
from gateway.capabilities.policy.loading import parse_bundle
from gateway.capabilities.policy.policy import Policy
from gateway.capabilities.policy.syntax import Module, Path, Program, Rule
from gateway.domain import Hook

_INDEXES: Final = frozenset({"span", "eidx", "sidx", "qidx"})
"""Of a parsed node: where it stands and its numbers, which say nothing of what it means."""
_SPAN: Final = frozenset({"line", "col", "start", "end"})


class RuleChange(NamedTuple):
    """One rule, all its definitions together. Places are ``FILE:LINE`` of the definitions that the other side has not."""

    kind: str
    """``added``, ``removed`` or ``changed``."""
    rule: str
    """``gateway.intent.verdict``."""
    before: tuple[str, ...]
    after: tuple[str, ...]


class DataChange(NamedTuple):
    """One entry of the data document. Lists and plain values change as a whole."""

    kind: str
    path: str
    """``data.limits.acme``."""
    before: Any
    """``None`` where it was added, as ``after`` is where it was removed."""
    after: Any


class ReadChange(NamedTuple):
    """A path of the input that a hook's rules look at now, or do not any more."""

    kind: str
    hook: str
    path: str
    """``input.request.messages``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changed from one policy to another."""

    rules: tuple[RuleChange, ...]
    data: tuple[DataChange, ...]
    reads: tuple[ReadChange, ...]
    effects: tuple[str, ...]
    """What follows for callers and for speed from what is read."""

    @property
    def any(self) -> bool:
        """Whether the two can decide differently."""
        return bool(self.rules or self.data or self.reads)


def difference(before: Bundle, after: Bundle) -> Difference:
    """What changed from ``before`` to ``after``. Tests, comments, formatting and files are not looked at. Blocks for some 100 ms.

    Raises:
        PolicyError: One of the two does not compile.
    """
    old, new = parse_bundle(before), parse_bundle(after)
    old_policy, new_policy = Policy(before, old, memo_entries=1), Policy(after, new, memo_entries=1)
    return Difference(
        rules=tuple(_rules(_definitions(old, before), _definitions(new, after))),
        data=tuple(_data(before.data, after.data, ("data",))),
        reads=tuple(change for hook in Hook for change in _reads(hook, old_policy, new_policy)),
        effects=tuple(_effects(old_policy, new_policy)),
    )


def _definitions(program: Program, bundle: Bundle) -> dict[str, Counter[tuple[str, str]]]:
    """By rule, what each of its definitions means and where it stands."""
    found: dict[str, Counter[tuple[str, str]]] = {}
    for module in program.modules:
        source = bundle.modules[module.file].encode()
        for rule in module.rules:
            found.setdefault(".".join((*module.package, rule.name)), Counter())[_meaning(rule, module, source), f"{module.file}:{rule.line}"] += 1
    return found


def _meaning(rule: Rule, module: Module, source: bytes) -> str:
    return orjson.dumps(_bare(rule.node, module, source), option=orjson.OPT_SORT_KEYS).decode()


def _bare(node: Any, module: Module, source: bytes) -> Any:
    """A node without its places. An imported name stands for what it was imported from: a rule changes with its imports."""
    if isinstance(node, list):
        return [_bare(item, module, source) for item in node]
    if not isinstance(node, dict):
        return node
    if node.keys() == _SPAN:  # of some names there is nothing but the place
        return source[node["start"] : node["end"]].decode()
    bare = {name: _bare(value, module, source) for name, value in node.items() if name not in _INDEXES}
    variable = bare.get("Var")
    imported = module.imports.get(variable["value"]) if isinstance(variable, dict) else None
    return _written_out(imported) if imported else bare


def _written_out(path: Path) -> Any:
    """The reference ``data.a.b``, bare."""
    node: Any = {"Var": {"value": path[0]}}
    for step in path[1:]:
        node = {"RefDot": {"refr": node, "field": [step, step]}}
    return node


def _rules(before: Mapping[str, Counter[tuple[str, str]]], after: Mapping[str, Counter[tuple[str, str]]]) -> Iterator[RuleChange]:
    for rule in sorted(before.keys() | after.keys()):
        old, new = before.get(rule, Counter()), after.get(rule, Counter())
        gone, come = _only(old, new), _only(new, old)
        if gone or come:
            yield RuleChange("changed" if old and new else "added" if new else "removed", rule, gone, come)


def _only(these: Counter[tuple[str, str]], those: Counter[tuple[str, str]]) -> tuple[str, ...]:
    """Where the definitions stand that ``those`` lack, wherever they stand there."""
    spare = Counter(meaning for meaning, _ in those.elements())
    found = []
    for meaning, place in these.elements():
        if spare[meaning]:
            spare[meaning] -= 1
        else:
            found.append(place)
    return tuple(sorted(found, key=_by_line))


def _by_line(place: str) -> tuple[str, int]:
    file, _, line = place.rpartition(":")
    return file, int(line)


def _data(before: Mapping[str, Any], after: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[DataChange]:
    for name in sorted(before.keys() | after.keys()):
        path, old, new = (*above, name), before.get(name), after.get(name)
        if name not in before or name not in after:
            yield DataChange("added" if name in after else "removed", ".".join(path), old, new)
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _data(old, new, path)
        elif orjson.dumps(_plain(old), option=orjson.OPT_SORT_KEYS) != orjson.dumps(_plain(new), option=orjson.OPT_SORT_KEYS):
            yield DataChange("changed", ".".join(path), old, new)


def _plain(value: Any) -> Any:
    """A value in the form in which equal ones look alike: to Rego 1.0 is 1; and to Python 1 would be true."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _reads(hook: Hook, before: Policy, after: Policy) -> Iterator[ReadChange]:
    old, new = before.reads(hook), after.reads(hook)
    for kind, these, those in (("added", new, old), ("removed", old, new)):
        for path in sorted(these):
            if not any(covers(other, path) for other in those):
                yield ReadChange(kind, hook.value, ".".join(("input", *path)))


def _effects(before: Policy, after: Policy) -> Iterator[str]:
    if before.reads_answer_content != after.reads_answer_content:
        if after.reads_answer_content:
            yield "the answer policy reads the content of answers now: streams are held back until the answer is whole"
        else:
            yield "the answer policy does not read the content of answers any more: streams leave as they come"
    for hook in Hook:
        if before.memoises(hook) != after.memoises(hook):
            now = "remembered now" if after.memoises(hook) else "not remembered any more: what it reads differs with every intent"
            yield f"verdicts of {hook.value} are {now}"
