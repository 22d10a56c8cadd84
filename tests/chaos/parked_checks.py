"""Whether callers, reviewers, the provider, the records and the tables tell one story of intents that waited for people."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson

from tests.chaos.callers import outcome_of
from tests.chaos.ledger import Closed, disagreement
from tests.chaos.parked_book import Book
from tests.chaos.parked_stage import HELD_CALLS
from tests.chaos.storm import Line, Outcome, Storm

_CODES = {"refused": "policy_denied", "expired": "policy_denied", "cancelled": "cancelled", "indeterminate": "indeterminate"}
_ASKED = re.compile(rb"T-(\d+) ")
_SAMPLE = re.compile(rb"^(gateway_\w+)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


def told(storm: Storm, book: Book) -> Iterator[str]:
    """What callers were told is what is on record, and nothing else."""
    for intent, outcomes in storm.told.items():
        ends = book.closed.get(intent, [])
        if intent not in book.opened or len(ends) != 1:
            yield f"{intent} was named to its caller, and has {len(ends)} ends on record"
            continue
        yield from (problem for outcome in outcomes if (problem := _differs(intent, outcome, ends[0])) is not None)
    yield from (f"{intent} has several ends" for intent in book.ends_twice())
    yield from (f"{intent} has no end" for intent in book.left_open())
    yield from (problem for seen in storm.plain if (problem := disagreement(seen, book)) is not None)


def _differs(intent: str, outcome: Outcome, closed: Closed) -> str | None:
    state, facts = closed.facts["state"], closed.facts
    if outcome.error is not None:
        if _CODES.get(state) != outcome.error:
            return f"its caller was told that {intent} is {outcome.error}, and it is on record as {state}"
        same = outcome.status is None or state == "indeterminate" or outcome.status == facts["http_status"]
        return None if same else f"{intent} was answered with {outcome.status}, not with {facts['http_status']}"
    if state != "completed":
        return f"{intent} was answered, and is on record as {state} ({facts['reason']})"
    digest = hashlib.sha256((closed.salt or b"") + orjson.dumps(outcome.choices)).hexdigest()
    return None if digest == closed.digests.get("released") else f"{intent}: the digest of what its caller got is not the recorded one"


async def later(storm: Storm) -> list[str]:
    """What ``/v1/intents`` tells now of every intent that was named to a caller is what was told before."""
    places = list(storm.told.items())

    async def ask() -> list[str]:
        found = list[str]()
        while places:
            intent, outcomes = places.pop()
            with closing(Line(storm)) as line:
                seen = await line.ask("GET", f"/v1/intents/{intent}", storm.owner[intent])
            outcome = outcome_of(seen.body) if seen.status == 200 and seen.body else None
            if outcome is None:
                found.append(f"{intent} cannot be asked for any more ({seen.status} {seen.error})")
            elif any((outcome.error, outcome.choices) != (before.error, before.choices) for before in outcomes):
                found.append(f"{intent}: what is told of it now is not what was told before")
            else:
                storm.told[intent].append(outcome)
        return found

    return [problem for found in await asyncio.gather(*(ask() for _ in range(8))) for problem in found]


def provided(storm: Storm, book: Book, log: Path) -> Iterator[str]:
    """The provider saw each call as often as is on record; once more at most for each intent of which nobody knows."""
    asked = Counter(int(found[1]) for line in log.read_bytes().splitlines() if (found := _ASKED.search(line)))
    intents = defaultdict[int, list[str]](list)
    for intent, serial in book.serial.items():
        intents[serial].append(intent)
    for call in storm.calls:
        mine, seen = intents[call.serial], asked[call.serial]
        least = sum(book.attempts(intent) for intent in mine)
        unknown = sum(book.state(intent) == "indeterminate" and not book.attempts(intent) for intent in mine)
        # An ordinary call is made before its record is durable: a kill can leave nothing of it but the provider's bill.
        unwritten = 0 if call.route in HELD_CALLS or call.idempotency_key is not None else storm.sent[call.serial] - len(mine)
        if not least <= seen <= least + unknown + max(0, unwritten):
            yield f"T-{call.serial} on {call.route}: {seen} calls of the model, {least} on record and {unknown} unknown, of {len(mine)} intents"
        if seen > (storm.sent[call.serial] if call.idempotency_key is None else 1):
            yield f"T-{call.serial} on {call.route} was made {seen} times"


def once(storm: Storm, book: Book) -> Iterator[str]:
    """An idempotency key stands for one intent, unless an earlier one came to nothing."""
    for key, intents in storm.of_key.items():
        counting = [intent for intent in intents if book.closed[intent][0].facts["state"] != "failed"]
        if len(counting) > 1:
            yield f"'{key}' was answered as {len(counting)} intents"


def deeds(storm: Storm, book: Book) -> Iterator[str]:
    """What a reviewer was told has been decided is on record as decided by that reviewer; and a task is decided once."""
    names = {(facts["task"], facts["name"], facts["action"]) for each in book.decided.values() for facts in each}
    complete = Counter(facts["task"] for each in book.decided.values() for facts in each if facts["complete"])
    yield from (f"task {task} was decided {times} times" for task, times in complete.items() if times > 1)
    for deed in storm.deeds:
        if deed.status != 200:
            continue
        if (deed.task, deed.by, deed.action) not in names:
            yield f"{deed.by} was told that task {deed.task} is decided, and it is not on record"
        elif deed.action == "refuse" and book.state(deed.intent) != "refused":
            yield f"{deed.intent} was refused by {deed.by}, and is {book.state(deed.intent)}"
        elif deed.content is not None and deed.state == "decided":
            yield from _written(deed.intent, deed.content, storm)


def _written(intent: str, content: str, storm: Storm) -> Iterator[str]:
    """What a person wrote is what the caller gets, whoever told it."""
    answers = [outcome.choices[0]["content"] for outcome in storm.told.get(intent, ()) if outcome.error is None]
    if any(answer != content for answer in answers):
        yield f"{intent}: its caller did not get what the reviewer wrote"


async def measured(storm: Storm, book: Book) -> list[str]:
    """Nobody waits any more, and no process counts more than there was."""
    found = list[str]()
    sums = Counter[str]()
    for stage in storm.people.stages:
        with closing(Line(_only(storm, stage.port))) as alone:
            raw = (await alone.raw("GET", "/metrics", storm.people.operator)).raw
        if b"gateway_tasks_opened" not in raw:
            found.append("the metrics cannot be read")
        for name, value in _SAMPLE.findall(raw):
            sums[name.decode()] += round(float(value))
    for gauge in ("gateway_callers_waiting", "gateway_intents_in_flight"):
        if sums[gauge] != 0:
            found.append(f"{gauge} is {sums[gauge]} when all is over")
    most = {
        "gateway_tasks_opened_total": sum(map(len, book.parked.values())),
        "gateway_tasks_ended_total": sum(map(len, book.parked.values())),
        "gateway_intents_resumed_total": sum(map(len, book.resumed.values())),
    }
    return found + [f"{name} is {sums[name]}, and there were {top}" for name, top in most.items() if sums[name] > top]


def _only(storm: Storm, port: int) -> Storm:
    stages = tuple(stage for stage in storm.people.stages if stage.port == port)
    people = type(storm.people)(stages=stages, callers=storm.people.callers, reviewers=storm.people.reviewers)
    return Storm(people=people, draw=storm.draw)
