"""The stored input as another policy would see it.

What is stored are the paths that the policy of that day read. A candidate that reads others can still be asked where the record itself has what was there:
the subject, the route, findings, the request as far as it was kept. What nobody knows any more is said, path by path; nothing is ever guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from gateway.capabilities.costs import estimate_tokens
from gateway.capabilities.policy.backtest.recorded import Asked
from gateway.capabilities.policy.contract import covers
from gateway.capabilities.policy.contract_schemas import input_schema
from gateway.capabilities.policy.syntax import Path
from gateway.domain import Hook, Json

Read = Mapping[Hook, frozenset[Path]]
"""What a policy refers to, by hook."""


def _provided(hook: Hook) -> Mapping[str, tuple[str, ...] | None]:
    sections = {name: schema for name, schema in input_schema(hook)["properties"].items() if name not in {"schema", "hook"}}
    return {name: tuple(schema["properties"]) if "properties" in schema else None for name, schema in sections.items()}


PROVIDED: Final[Mapping[Hook, Mapping[str, tuple[str, ...] | None]]] = {hook: _provided(hook) for hook in Hook}
"""What the gateway gives to each hook, ``None`` where a section is one value. What it never gives, such as ``budget``, no replay can lack."""
_NOT_PARAMETERS: Final = frozenset({"messages", "tools", "model", "stream", "input"})


class Completed(NamedTuple):
    """An input for the candidate."""

    parts: Json
    added: tuple[Path, ...]
    """What the stored input did not have, and the record did."""
    missing: tuple[Path, ...]
    """What the candidate reads and nobody knows."""


class Completer:
    """Makes inputs for one policy. ``known`` says what policies of other revisions read: an empty place in what they were given was empty."""

    def __init__(self, reads: Read, known: Mapping[str, Read]) -> None:
        self._leaves = {hook: tuple(sorted(set(_leaves(hook, reads[hook])))) for hook in Hook}
        self._known = known
        self._doubtful: dict[tuple[str, Hook], tuple[Path, ...]] = {}

    def complete(self, asked: Asked) -> Completed:
        """The input of a decision that has one. The stored one is not changed."""
        stored = asked.input or {}
        doubtful = self._open(asked.revision, asked.hook)
        if asked.revision not in self._known:
            doubtful = tuple(path for path in doubtful if not _is_whole(stored, path))
        if not doubtful:
            return Completed(stored, (), ())
        parts, of_record = dict(stored), _of_record(asked)
        added, missing = set[Path](), list[Path]()
        for path in doubtful:
            place = path[: 1 if PROVIDED[asked.hook][path[0]] is None else 2]
            if place in added:
                continue
            if _graft(parts, of_record, place):
                added.add(place)
            else:
                missing.append(path)
        return Completed(parts, tuple(sorted(added)), tuple(missing))

    def _open(self, revision: str, hook: Hook) -> tuple[Path, ...]:
        """Which leaves a policy of ``revision`` was not given for sure."""
        known = self._known.get(revision)
        if known is None:
            return self._leaves[hook]
        found = self._doubtful.get((revision, hook))
        if found is None:
            found = tuple(leaf for leaf in self._leaves[hook] if not any(covers(path, leaf) for path in known[hook]))
            self._doubtful[revision, hook] = found
        return found


def _leaves(hook: Hook, paths: frozenset[Path]) -> Iterator[Path]:
    """The same paths, with what stands for a whole section written out; without what the gateway never gives."""
    provided = PROVIDED[hook]
    for path in ((section,) for section in provided) if () in paths else paths:
        fields = provided.get(path[0], ())
        if fields is None:
            yield path[:1]
        elif len(path) == 1:
            yield from ((path[0], name) for name in fields)
        elif path[1] in fields:
            yield path


def _is_whole(stored: Json, path: Path) -> bool:
    """Whether all that was at ``path`` is stored. An object may be a part of what was there; an array is stored whole or not at all."""
    node: Any = stored
    for step in path:
        if not isinstance(node, dict):
            return True  # nothing is below a value, then as now
        if step not in node:
            return False
        node = node[step]
    return not isinstance(node, dict)


def _graft(parts: Json, of_record: Mapping[str, Any], place: Path) -> bool:
    section, known = place[0], of_record.get(place[0])
    if section not in of_record:
        return False
    if len(place) == 1:
        parts[section] = known
        return True
    if not isinstance(known, dict) or place[1] not in known:
        return False
    there = parts.get(section)
    value = known[place[1]]
    parts[section] = {**(there if isinstance(there, dict) else {}), place[1]: value() if callable(value) else value}
    return True


def _of_record(asked: Asked) -> Json:
    """What the record knows of the input, besides the stored one; every value in it is whole, and a callable where it is expensive."""
    facts = asked.facts
    subject, versions = facts.get("subject"), facts.get("versions")
    found: Json = {
        "intent": {
            "id": asked.intent_id, "parent_id": None, "root_id": asked.intent_id, "depth": 0, "name": None, "labels": {},
            **({} if facts.get("idempotent") else {"idempotency_key": None}),
            **_some(facts, "surface"),
        },
        "request": {**_some(facts, "route", "stream")},
        "versions": {**_some(versions, "config"), **({"policy": asked.revision} if asked.revision else {})},
        **({} if asked.resumed else {"approvals": []}),
        **_some(facts, "trace_id"),
    }  # fmt: skip
    if isinstance(subject, dict):
        found["subject"] = {**subject, "on_behalf_of": None}
    return found | (_of_intent(asked, found["request"]) if asked.hook is Hook.INTENT else _of_answer(asked))


def _of_intent(asked: Asked, request: Json) -> Json:
    request |= _some(asked.facts, "unscanned")
    kept = asked.request
    if kept is not None:  # of what is to be embedded, policy sees another form of messages
        parameters = {name: value for name, value in kept.items() if name not in _NOT_PARAMETERS}
        request |= {"params": parameters, "tools": kept.get("tools") or [], **_some(kept, "messages")}
        if not asked.facts.get("findings", True) and not asked.facts.get("unscanned", True):  # then the record has the request as it came
            request["tokens_estimate"] = partial(estimate_tokens, kept)
    return {"request": request, **({} if asked.resumed else {"attempt": 0}), **_some(asked.facts, "findings")}


def _of_answer(asked: Asked) -> Json:
    ending, decision = asked.ending, asked.intent_decision or asked.facts.get("decision")
    found: Json = {**_some(ending, "findings"), "answer": _assessed(asked)}
    if isinstance(decision, dict) and isinstance(decision.get("obligations"), dict):
        obligations = _some(decision["obligations"], "reveal", "max_tokens", "labels")
        found["intent_verdict"] = {**_some(decision, "outcome", "reasons"), "obligations": obligations}
    return found


def _assessed(asked: Asked) -> Json:
    """How the choice was judged: a route that assesses its answers puts that on the record, and without a schema there is nothing to be valid against."""
    ending, found = asked.ending, dict[str, Any]()
    if asked.parked and "confidence" not in ending:
        return found
    assessed = ending.get("confidence", [])
    if not assessed:
        found |= {"confidence": None, "signals": {}}
    elif isinstance(assessed, list) and asked.choice < len(assessed) and isinstance(assessed[asked.choice], dict):
        found |= {"confidence": assessed[asked.choice].get("score"), "signals": assessed[asked.choice].get("signals") or {}}
    if "schema" not in ending:
        found["schema_valid"] = None
    return found


def _some(facts: Any, *names: str) -> Json:
    return {name: facts[name] for name in names if name in facts} if isinstance(facts, Mapping) else {}
