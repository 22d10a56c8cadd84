"""Which changes of an input are worth trying: the values come from the policy itself, for only what a rule or its data says can matter to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from gateway.capabilities.policy.contract import APPROVALS, VERDICT_RULES, covers, samples
from gateway.capabilities.policy.contract_forms import Schema
from gateway.capabilities.policy.contract_schemas import input_schema
from gateway.capabilities.policy.input_paths import NOTHING, Form, Steps, form_of, shown
from gateway.capabilities.policy.reach import Reach
from gateway.capabilities.policy.rehearsal import Rehearsal
from gateway.capabilities.policy.syntax import Path, literal_text, walk
from gateway.domain import Json

MAX_FIELDS: Final = 2_000
"""Fields of an input that are looked at; a conversation has more places than anybody reads about."""
MAX_DEPTH: Final = 16
"""Steps of a path; nothing that rules compare lies deeper."""
MAX_VALUES: Final = 1_000
"""Values of the policy that are tried in one field."""
_MAX_TEXT: Final = 200
_FIXED: Final = frozenset({"schema", "hook"})
_TURNED, _MOVED, _TAKEN, _DROPPED, _ADDED, _REPLACED, _EMPTIED = range(7)
"""What makes a change a small one, the smallest first."""


class Field(NamedTuple):
    """A place in the input, what the contract says of it, and what stands there."""

    path: Steps
    form: Form
    value: Any
    optional: bool = False
    """Whether it can be taken out: an entry of an object whose keys are free."""


class Candidate(NamedTuple):
    """A change to try, with what orders it."""

    kind: int
    distance: float
    tier: int
    order: int
    text: str
    path: Steps
    new: Any


def candidates(rehearsal: Rehearsal, parts: Json) -> Iterator[Candidate]:
    """Every change of one field to try, the smallest first; the same for the same policy and input."""
    known = _Known(rehearsal)
    found = [
        candidate
        for order, field in enumerate(islice(fields(input_schema(rehearsal.hook), parts, rehearsal.reads), MAX_FIELDS))
        for candidate in _changes(field, order, known)
    ]
    yield from sorted(found, key=lambda one: one[:5])


def fields(schema: Schema, value: Any, reads: Iterable[Path], path: Steps = ()) -> Iterator[Field]:
    """The fields of an input that rules refer to, those that are not there as well."""
    form = form_of(schema)
    if path:
        yield Field(path, form, value)
    if len(path) >= MAX_DEPTH:
        return
    if isinstance(value, list):
        for at, item in enumerate(value):
            yield from fields(form.schema.get("items", {}), item, reads, (*path, at))
    elif isinstance(value, dict) or form.schema.get("properties") or any(len(read) > len(path) and read[: len(path)] == path for read in reads):
        yield from _entries(form, value if isinstance(value, dict) else {}, reads, path)


def _entries(form: Form, value: Mapping[str, Any], reads: Iterable[Path], path: Steps) -> Iterator[Field]:
    known: Mapping[str, Schema] = form.schema.get("properties", {})
    others = form.schema.get("additionalProperties", {} if not form.types else False)
    names = set(known)
    if isinstance(others, dict):  # its keys are free: those that are there, and those that rules name
        names |= {*value, *(read[len(path)] for read in reads if len(read) > len(path) and read[: len(path)] == path)}
    for name in sorted(names - (_FIXED if not path else set())):
        steps = (*path, name)
        if not _is_read(steps, reads):
            continue
        inner = fields(known.get(name, others), value.get(name, NOTHING), reads, steps)
        first = next(inner)
        yield first._replace(optional=name not in known and name in value)
        yield from inner


def _is_read(steps: Steps, reads: Iterable[Path]) -> bool:
    names = tuple(step for step in steps if isinstance(step, str))
    within = any(isinstance(step, int) for step in steps)
    return within or any(covers(read, names) or covers(names, read) for read in reads)


class _Known:
    """The values that a policy knows: by how near they stand to a field."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        program = rehearsal.program
        start = tuple(VERDICT_RULES[rehearsal.hook].split("."))[1:]
        self._rules: list[tuple[set[Path], list[Any]]] = []
        tables: set[Path] = set()
        for key in sorted(Reach(program).of([start])):
            for rule in program.rules[key]:
                paths = {program.resolve(rule.module, str(found.name), found.literal) for _, found in rule.uses()} - {None}
                looked_at = {path[1:] for path in paths if path is not None and path[0] == "input"}
                tables |= {path[1:] for path in paths if path is not None and path[0] == "data" and not any(program.rules_at(path[1:]))}
                self._rules.append((looked_at, list(_constants(rule.node))))
        self.approval: Json = samples(rehearsal.hook)["approved"]["approvals"][0]
        """A whole approval of this hook, as a person gives it: one with a single field would be none."""
        self._data = [value for path in sorted(tables) for value in _values(_at(rehearsal.bundle.data, path))]

    def about(self, steps: Steps) -> list[tuple[int, Any]]:
        """What a field could be compared with, each with its tier: constants of the rules that look at it, other constants, data."""
        names = tuple(step for step in steps if isinstance(step, str))
        near = [value for paths, values in self._rules if any(covers(path, names) or covers(names, path) for path in paths) for value in values]
        far = [value for _, values in self._rules for value in values]
        found: dict[tuple[type, Any], int] = {}
        for tier, values in enumerate((near, far, self._data)):
            for value in values:
                found.setdefault((type(value), value), tier)
        return [(tier, value) for (_, value), tier in islice(found.items(), MAX_VALUES)]


def _constants(node: Any) -> Iterator[Any]:
    for one in walk(node):
        text = literal_text(one)
        if text is not None:
            yield text
        elif "Number" in one and isinstance(one["Number"]["value"], (int, float)):
            yield one["Number"]["value"]


def _at(data: Any, path: Path) -> Any:
    for step in path:
        if not isinstance(data, dict) or step not in data:
            return None
        data = data[step]
    return data


def _values(value: Any) -> Iterator[Any]:
    """The keys, texts and numbers of a table."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield from one
            waiting.extend(reversed(one.values()))
        elif isinstance(one, list):
            waiting.extend(reversed(one))
        elif isinstance(one, (str, int, float)) and not isinstance(one, bool):
            yield one


def _changes(field: Field, order: int, known: _Known) -> Iterator[Candidate]:
    """What can become of one field."""
    value, types = field.value, field.form.types or _types_of(field.value)
    about = known.about(field.path)
    made: list[tuple[int, float, int, Steps, Any]] = []
    if "boolean" in types:
        made += [(_TURNED, 0, 0, field.path, new) for new in (True, False) if new is not value]
    if types & {"integer", "number"}:
        made += _moved(field, about, whole="number" not in types)
    if "array" in types:
        made += _lengthened(field, about, known.approval)
    if field.optional:
        made.append((_DROPPED, 0, 0, field.path, NOTHING))
    if "string" in types:
        made += _replaced(field, about)
    if "null" in types and value is not None:
        made.append((_EMPTIED, 0, 0, field.path, None))
    for kind, distance, tier, path, new in made:
        yield Candidate(kind, distance, tier, order, f"{shown(path)}={new!r}", path, new)


def _replaced(field: Field, about: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, float, int, Steps, Any]]:
    enum = field.form.schema.get("enum")
    for tier, text in [(0, text) for text in enum] if enum else _texts(about):
        if text != field.value:
            yield _REPLACED, 0, tier, field.path, text


def _moved(field: Field, about: Iterable[tuple[int, Any]], *, whole: bool) -> Iterator[tuple[int, float, int, Steps, Any]]:
    value = field.value if isinstance(field.value, (int, float)) else 0
    for tier, number in about:
        for new in _near(number, whole=whole):
            if field.form.takes(new) and new != field.value:
                yield _MOVED, abs(new - value), tier, field.path, new


def _lengthened(field: Field, about: list[tuple[int, Any]], approval: Json) -> Iterator[tuple[int, float, int, Steps, Any]]:
    """An entry less, and one more at the end; of approvals a whole one, by anybody or by somebody with a role that the policy knows."""
    size = len(field.value) if isinstance(field.value, list) else 0
    for at in range(min(size, MAX_VALUES)):
        yield _TAKEN, 0, 0, (*field.path, at), NOTHING
    if field.path == APPROVALS:
        yield _ADDED, 0, 0, (*field.path, size), approval
        yield from ((_ADDED, 1, tier, (*field.path, size), approval | {"roles": [role]}) for tier, role in _texts(about))
        return
    for tier, new in _entries_of(form_of(field.form.schema.get("items", {})), about):
        yield _ADDED, 0, tier, (*field.path, size), new


def _types_of(value: Any) -> frozenset[str]:
    """Of a place about which the contract says nothing: what stands there may be replaced by its like."""
    if isinstance(value, bool):
        return frozenset({"boolean"})
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (((int, float), "number"), (str, "string"), (list, "array"))
    return frozenset(name for kind, name in kinds if isinstance(value, kind)) or (
        frozenset({"number", "string", "boolean"}) if value is NOTHING else frozenset()
    )


def _near(number: Any, *, whole: bool) -> Iterator[float]:
    """A threshold and what lies just beside it."""
    if not isinstance(number, (int, float)):
        return
    if whole:
        yield from (int(number) - 1, int(number), int(number) + 1)
        return
    yield from (round(number + by, 6) for by in (-0.01, 0, 0.01, -1, 1))


def _texts(about: Iterable[tuple[int, Any]]) -> list[tuple[int, str]]:
    return [(tier, text) for tier, text in about if isinstance(text, str) and len(text) <= _MAX_TEXT]


def _entries_of(items: Form, about: list[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """Entries that could be added to a list: texts, or objects of which one field has a text that the policy knows."""
    if "string" in items.types:
        yield from _texts(about)
    for name, schema in items.schema.get("properties", {}).items():
        below = form_of(schema)
        if "string" in below.types:
            yield from ((tier, {name: text}) for tier, text in _texts(about) if below.takes(text))
        elif "object" in below.types:
            yield from ((tier, {name: inner}) for tier, inner in _entries_of(below, about))
