"""The parsed modules of a policy, as the engine gives them, in a form that can be asked: what is a rule, what does a reference mean.

An expression is an object with one entry, its kind: ``{"RefDot": {"refr": ..., "field": [span, "name"]}}``. Whoever walks the tree takes every nested
object and list; nothing here depends on knowing all kinds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

Node: TypeAlias = Mapping[str, Any]
Path: TypeAlias = tuple[str, ...]

_REFS = frozenset({"RefDot", "RefBrack"})
_NEWLINE: Final = ord("\n")
_QUOTES: Final = '"`'
_TAB: Final = 4
"""Columns that the engine counts for a tab."""


class Reference(NamedTuple):
    """``root.a["b"][c]``: the root expression and one segment for each step, text where it is literal, else the index expression."""

    root: Node
    segments: tuple[str | Node, ...]

    @property
    def name(self) -> str | None:
        """The root variable's name, ``None`` where the root is something else (a call, a literal)."""
        return str(self.root["Var"]["value"]) if "Var" in self.root else None

    @property
    def literal(self) -> Path:
        """The segments up to the first that is not literal."""
        found: list[str] = []
        for segment in self.segments:
            if not isinstance(segment, str):
                break
            found.append(segment)
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One definition of a rule; several share a name."""

    module: Module
    name: str
    node: Node
    line: int
    col: int
    kind: str
    """``default``, ``value`` (complete, or with keys in its head), ``set`` or ``function``."""
    head: Node
    """The reference in the head: ``verdict``, ``limits[team]``, ``a.b``."""
    nodes: Sequence[Node] = field(repr=False)
    """Every object in the rule's tree, the outer ones first."""
    used: Sequence[tuple[Node, Reference]] = field(repr=False)

    @property
    def keyed(self) -> bool:
        """Whether the head is more than a name."""
        return "Var" not in self.head

    def uses(self) -> Sequence[tuple[Node, Reference]]:
        """Every reference in the rule but its own name."""
        return self.used


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One Rego file."""

    file: str
    package: Path
    imports: Mapping[str, Path]
    """What each imported name stands for, beginning with ``data`` or ``input``."""
    rules: list[Rule]
    lines: Lines

    def place(self, node: Any) -> tuple[int, int]:
        """Line and column of a node, both from 1, in characters."""
        return self.lines.place(node)


class Lines:
    """Where a file's lines begin, to tell places in characters: the engine counts a tab as four columns, and for some nodes gives an inner place."""

    __slots__ = ("_lines", "_starts", "_text")

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self._lines = text.split("\n")
        self._starts = [0, *(at + 1 for at, byte in enumerate(self._text) if byte == _NEWLINE)]

    def place(self, node: Any) -> tuple[int, int]:
        """Where a node begins: the earlier one of what its column and what its offset say; strings begin with their quote."""
        for found in walk(node):
            span = found.get("span")
            if isinstance(span, dict):
                line, col = min(self._at_column(span), self._at_offset(span))
                return line, col - (1 < col <= len(self._lines[line - 1]) + 1 and self._lines[line - 1][col - 2] in _QUOTES)
        return 0, 0

    def text(self, span: Mapping[str, int]) -> str:
        """What stands at a span."""
        return self._text[span["start"] : span["end"]].decode()

    def _at_column(self, span: Mapping[str, int]) -> tuple[int, int]:
        line, left = span["line"], span["col"] - 1
        for at, char in enumerate(self._lines[line - 1] if line <= len(self._lines) else ""):
            if left <= 0:
                return line, at + 1
            left -= _TAB if char == "\t" else 1
        return line, span["col"]

    def _at_offset(self, span: Mapping[str, int]) -> tuple[int, int]:
        line = bisect_right(self._starts, span["start"])
        begins = self._starts[line - 1]
        return line, len(self._text[begins : span["start"]].decode(errors="replace")) + 1


class Program:
    """All modules of a policy."""

    def __init__(self, tree: Sequence[Node]) -> None:
        """Index what the engine's ``ast()`` returned."""
        self.modules = [_module(entry) for entry in tree]
        self.rules: dict[Path, list[Rule]] = {}
        """By package and first name: ``("gateway", "intent", "verdict")``."""
        for module in self.modules:
            for rule in module.rules:
                self.rules.setdefault((*module.package, rule.name), []).append(rule)

    def resolve(self, module: Module, name: str, rest: Path) -> Path | None:
        """What ``name`` and the literal steps after it mean in ``module``: a path that begins with ``input`` or ``data``, ``None`` for a local name."""
        if name in {"input", "data"}:
            return (name, *rest)
        if name in module.imports:
            return (*module.imports[name], *rest)
        if (*module.package, name) in self.rules:
            return ("data", *module.package, name, *rest)
        return None

    def rules_at(self, path: Path) -> Iterator[Path]:
        """Every rule that ``path`` (without ``data``) can reach: itself, one that it leads into, all below it."""
        for key in self.rules:
            shorter = min(len(key), len(path))
            if key[:shorter] == path[:shorter]:
                yield key


def reference(node: Node) -> Reference | None:
    """The reference or bare variable that ``node`` is, if it is one."""
    segments: list[str | Node] = []
    while (kind := next(iter(node), "")) in _REFS:
        body = node[kind]
        segments.append(body["field"][1] if kind == "RefDot" else literal_text(body["index"]) or body["index"])
        node = body["refr"]
    if not segments and "Var" not in node:
        return None
    return Reference(node, tuple(reversed(segments)))


def references(tree: Any) -> Iterator[tuple[Node, Reference]]:
    """Every reference to something with a name in a tree, each whole (``data.a.b``, not ``data.a`` besides), what it has in brackets after it.

    The names of called functions are references, too.
    """
    open_nodes = [tree]
    while open_nodes:
        node = open_nodes.pop()
        found = reference(node) if isinstance(node, dict) else None
        if found is not None and found.name is not None:
            yield node, found
            open_nodes.extend(segment for segment in found.segments if not isinstance(segment, str))
        else:
            open_nodes.extend(children(node))


def literal_text(node: Node) -> str | None:
    """The text of a string literal."""
    for kind in ("String", "RawString"):
        if isinstance(node, dict) and kind in node:
            value = node[kind]["value"]
            return value if isinstance(value, str) else None
    return None


def literal_path(node: Node) -> Path | None:
    """The keys that ``object.get`` is given, where all are literal: ``"a"`` or ``["a", "b"]``."""
    text = literal_text(node)
    if text is not None:
        return (text,)
    if "Array" not in node:
        return None
    parts = [literal_text(item) for item in node["Array"]["items"]]
    return tuple(part for part in parts if part is not None) if None not in parts else None


def callee(node: Node) -> str | None:
    """The dotted name of the function that a call calls."""
    found = reference(node["Call"]["fcn"]) if "Call" in node else None
    if found is None or found.name is None:
        return None
    return ".".join((found.name, *found.literal))


def children(node: Any) -> Iterator[Any]:
    """The nested objects and lists of a node, but not where it stands."""
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, (dict, list)) and key != "span":
                yield value
        return
    for value in node:
        if isinstance(value, (dict, list)):
            yield value


def walk(node: Any) -> Iterator[Node]:
    """Every object in a tree, the outer ones first."""
    open_nodes = [node]
    while open_nodes:
        current = open_nodes.pop()
        if isinstance(current, dict):
            yield current
            below = [value for key, value in current.items() if isinstance(value, (dict, list)) and key != "span"]
        else:
            below = [value for value in current if isinstance(value, (dict, list))]
        open_nodes.extend(reversed(below))


def _module(entry: Node) -> Module:
    tree, lines = entry["ast"], Lines(entry["source"]["contents"])
    package = reference(tree["package"]["refr"])
    imports: dict[str, Path] = {}
    for item in tree["imports"]:
        found = reference(item["refr"])
        if found is None or found.name not in {"data", "input"}:
            continue
        target: Path = (found.name, *found.literal)
        alias = item.get("as")
        imports[lines.text(alias) if alias else target[-1]] = target
    assert package is not None  # noqa: S101 - a module without a package does not parse
    module = Module(file=entry["source"]["file"], package=(str(package.name), *package.literal), imports=imports, rules=[], lines=lines)
    module.rules.extend(_rule(module, node) for node in tree["rules"])
    return module


def _rule(module: Module, node: Node) -> Rule:
    if "Default" in node:
        kind, head = "default", node["Default"]
    else:
        form, head = next(iter(node["Spec"]["head"].items()))
        kind = {"Compr": "value", "Set": "set", "Func": "function"}[form]
    found = reference(head["refr"])
    assert found is not None  # noqa: S101 - a head is a name or a reference
    line, col = module.place(node)
    used = [use for use in references(node) if use[0] is not head["refr"]]
    used.extend(use for segment in found.segments if not isinstance(segment, str) for use in references(segment))
    nodes = list(walk(node))
    return Rule(module=module, name=str(found.name), node=node, line=line, col=col, kind=kind, head=head["refr"], nodes=nodes, used=used)
