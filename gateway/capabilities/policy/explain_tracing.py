"""A policy rewritten so that line coverage tells which condition held: every condition and every head on lines of its own.

The engine notes lines, not expressions, and people write ``verdict := {...} if count(reasons) == 0`` on one line. So line breaks are put in before each
condition and each head, at the places that the engine's parser gives. Nothing else changes; whoever uses this compares the verdicts all the same.
The engine also evaluates rules that nobody asked for (others of an imported package): ``demanded`` follows the references from the verdict on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, TypeAlias

from gateway.capabilities.policy.syntax import Module, Node, Path, Program, Rule, children, reference

_CONTAINS: Final = re.compile(rb"\s*contains\s+")
_TRIED: Final = b"explained__ :="
_ASSIGN: Final = re.compile(rb"\s*:?=\s*")


class Place(NamedTuple):
    """A piece of a file: where it begins (line and column, from 1), and its text."""

    file: str
    line: int
    col: int
    text: str


Coverage: TypeAlias = Mapping[str, Collection[int]]
"""The evaluated lines by file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of a clause that is evaluated or not: a condition, a head, or a condition within one of these."""

    place: Place | None
    """``None`` where no text says it: a head that gives ``true``."""
    span: tuple[int, int]
    """Bytes of the file at which it begins and ends."""
    refers_to: frozenset[Path]
    """What it refers to, without what its inner steps do; as ``Program.resolve`` gives it."""
    inner: tuple[Step, ...] = ()
    """The conditions of comprehensions and of ``every``."""
    added: bytes = b""
    """What is put in before it in place of a line break."""
    mark: bytes = b""
    """Where it has no text of its own: the part of ``added`` whose line counts."""

    def all(self) -> Iterator[Step]:
        """Itself, and every step within."""
        yield self
        for step in self.inner:
            yield from step.all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One way for a rule to have a value: its body, an ``else`` of it, or its default."""

    rule: Rule
    line: int
    is_else: bool
    head: Step | None
    """The value that it gives, evaluated only when every condition held; ``None`` where it cannot be told from the source."""
    conditions: tuple[Step, ...]
    tried: Step | None = None
    """The head as one more condition: reached where all others held, whether or not the head then has a value. ``None`` where it always has one."""

    @property
    def key(self) -> Path:
        """``("gateway", "intent", "verdict")``."""
        return (*self.rule.module.package, self.rule.name)

    @property
    def name(self) -> str:
        """``gateway.intent.verdict``."""
        return ".".join(self.key)

    @property
    def is_default(self) -> bool:
        """Whether it holds where no other does."""
        return self.rule.kind == "default"

    def steps(self) -> Iterator[Step]:
        """Every step, the inner ones too."""
        for step in (*self.conditions, self.head, self.tried):
            if step is not None:
                yield from step.all()


class Tracing:
    """The clauses of a policy, and its modules rewritten."""

    def __init__(self, program: Program, modules: Mapping[str, str]) -> None:
        """``modules`` are the sources of ``program`` by file name."""
        self._program = program
        self.clauses: dict[Path, list[Clause]] = {}
        """By rule, in the order of the files."""
        self.modules: dict[str, str] = {}
        self._lines: dict[tuple[str, tuple[int, int]], range] = {}
        for module in program.modules:
            source = _Source(program, module, modules[module.file])
            found = [clause for rule in module.rules for clause in source.clauses(rule)]
            for clause in found:
                self.clauses.setdefault(clause.key, []).append(clause)
            self.modules[module.file] = self._rewritten(module.file, modules[module.file], [step for clause in found for step in clause.steps()])

    def _rewritten(self, file: str, source: str, steps: Sequence[Step]) -> str:
        raw, at, out, line = source.encode(), 0, bytearray(), 1
        for step in sorted(steps, key=lambda step: (step.span[0], -step.span[1])):
            start, end = step.span
            before, added, at = raw[at:start], step.added or b"\n", start
            out += before + added
            first = line + (before + (added[: added.rfind(step.mark)] if step.mark else added)).count(b"\n")
            line += (before + added).count(b"\n")
            self._lines[file, step.span] = range(first, first + raw[start:end].count(b"\n") + 1)
        return (out + raw[at:]).decode()

    def reached(self, clause: Clause, step: Step | None, covered: Coverage) -> bool:
        """Whether a step was evaluated, by the coverage of the rewritten modules."""
        if step is None:
            return False
        file = clause.rule.module.file
        lines = covered.get(file, ())  # of a comprehension that comes to nothing, the engine notes its conditions alone
        return any(line in lines for each in step.all() for line in self._lines[file, each.span])

    def demanded(self, start: Path, covered: Coverage) -> set[Path]:
        """The rules that the evaluation of ``start`` asked for: itself, and what the steps that were reached refer to."""
        seen: set[Path] = set()
        waiting = [start]
        while waiting:
            key = waiting.pop()
            if key in seen:
                continue
            seen.add(key)
            for clause in self.clauses.get(key, ()):
                fired = self.reached(clause, clause.head, covered)
                for step in clause.steps():
                    if self.reached(clause, step, covered) and not (fired and step is clause.tried):
                        waiting.extend(found for path in step.refers_to if path[0] == "data" for found in self._program.rules_at(path[1:]))
        return seen


class _Source:
    """What the places of the parser mean in one file."""

    def __init__(self, program: Program, module: Module, text: str) -> None:
        self._program = program
        self._module = module
        self._raw = text.encode()
        self._lines = text.split("\n")
        starts = [0]
        for line in self._lines:
            starts.append(starts[-1] + len(line.encode()) + 1)
        self._starts = starts

    def clauses(self, rule: Rule) -> Iterator[Clause]:
        """The clauses of a rule."""
        if rule.kind == "default":
            start = self._start(rule.line, rule.col)
            yield Clause(rule=rule, line=rule.line, is_else=False, head=self._step(rule.node["Default"]["value"], (start, start)), conditions=())
            return
        spec = rule.node["Spec"]
        form, head = next(iter(spec["head"].items()))
        for body in spec["bodies"] or [None]:
            is_else = bool(body and body["is_else"])
            if is_else:
                yield self._otherwise(rule, body)
            else:
                yield self._tried(Clause(rule=rule, line=rule.line, is_else=False, head=self._head(form, head), conditions=()), body)

    def _tried(self, clause: Clause, body: Node | None) -> Clause:
        """The clause with its conditions. At their end stands the head as one more: evaluated, it may turn out to be undefined."""
        conditions = self._statements(body["query"]) if body else ()
        head = clause.head
        if head is None or head.added:
            return replace(clause, conditions=conditions)
        value = self._raw[head.span[0] : self._past_quote(head.span[1])]
        conditions, end, added = self._at_end(body, conditions, _TRIED + b" " + value, self._past_quote(head.span[1]))
        named = frozenset(path for step in head.all() for path in step.refers_to)
        return replace(clause, conditions=conditions, tried=Step(place=head.place, span=(end, end), refers_to=named, added=added, mark=_TRIED))

    def _at_end(self, body: Node | None, conditions: tuple[Step, ...], more: bytes, otherwise: int) -> tuple[tuple[Step, ...], int, bytes]:
        """How ``more`` is put behind the conditions of a body, or at ``otherwise`` where there is none: the conditions, the place and what to put there."""
        if body is None or not conditions:
            return conditions, otherwise, b" if {\n" + more + b"\n}"
        end = self._past_quote(conditions[-1].span[1])
        if conditions[0].span[0] <= int(body["query"]["span"]["start"]):  # without braces
            return (replace(conditions[0], added=b"{\n"),), end, b"\n" + more + b"\n}"
        return conditions, end, b"\n" + more

    def _otherwise(self, rule: Rule, body: Node) -> Clause:
        """An ``else``. The engine does not note that it evaluated its head, so a condition that always holds stands at its end."""
        line, conditions = self._place(body["span"]["start"], body["span"]["end"]).line, self._statements(body["query"])
        conditions, end, added = self._at_end(body, conditions, b"true", self._past_quote(body["span"]["end"]))
        value = self._step(body["assign"] or {}, (end, end))
        shown = None if body["assign"] is None else self._place(body["assign"]["span"]["start"], body["assign"]["span"]["end"])
        head = Step(place=shown, span=(end, end), refers_to=value.refers_to, added=added, mark=b"true")
        return Clause(rule=rule, line=line, is_else=True, head=head, conditions=conditions)

    def _statements(self, query: Node) -> tuple[Step, ...]:
        return tuple(self._step(one, (self._start(*self._module.place(one)), one["span"]["end"])) for one in query["stmts"])

    def _head(self, form: str, head: Node) -> Step | None:
        end = int(head["span"]["end"])
        if form == "Set":
            known = _CONTAINS.match(self._raw, self._end_of(head["refr"]))
            return None if known is None else self._step(head, (known.end(), end))
        return self._true(end, head) if head["assign"] is None else self._value(head["assign"], head)

    def _value(self, assign: Node, node: Node) -> Step | None:
        known = _ASSIGN.match(self._raw, assign["span"]["start"])
        return None if known is None else self._step(node, (known.end(), assign["span"]["end"]))

    def _true(self, at: int, node: Node) -> Step:
        return Step(place=None, span=(at, at), refers_to=self._step(node, (at, at)).refers_to, added=b" :=\ntrue", mark=b"true")

    def _step(self, node: Node, span: tuple[int, int]) -> Step:
        found: set[Path] = set()
        inner: list[Step] = []
        open_nodes: list[Any] = [node]
        while open_nodes:
            one = open_nodes.pop()
            named = reference(one) if isinstance(one, dict) else None
            if isinstance(one, dict) and "stmts" in one:
                inner.extend(self._statements(one))
            elif named is not None and named.name is not None:
                found.update(filter(None, [self._program.resolve(self._module, named.name, named.literal)]))
                open_nodes.extend(segment for segment in named.segments if not isinstance(segment, str))
            else:
                open_nodes.extend(children(one))
        return Step(place=self._place(*span), span=span, refers_to=frozenset(found), inner=tuple(inner))

    def _end_of(self, name: Node) -> int:
        return max(int(body["span"]["end"]) for body in name.values())

    def _start(self, line: int, col: int) -> int:
        return self._starts[line - 1] + len(self._lines[line - 1][: col - 1].encode())

    def _past_quote(self, end: int) -> int:
        """For a text that stands last, the engine's end is before its closing quote."""
        return end + (self._raw[end : end + 1] in {b'"', b"`"})

    def _place(self, start: int, end: int) -> Place:
        before = self._raw[:start]
        col = len(before[before.rfind(b"\n") + 1 :].decode()) + 1
        return Place(self._module.file, before.count(b"\n") + 1, col, self._raw[start : self._past_quote(end) if end > start else end].decode())


def coverage_of(report: Mapping[str, tuple[Sequence[int], Any]]) -> dict[str, frozenset[int]]:
    """The evaluated lines by file, of what a trial says."""
    return {file: frozenset(covered) for file, (covered, _) in report.items()}
