"""Callers of a storm: they wait, or ask later, or send the same call again, whatever happens to the gateway; and write down what they were told."""

from __future__ import annotations

import asyncio
from contextlib import closing

from tests.chaos.parked_stage import ROUTES
from tests.chaos.seen import Seen, choices_of
from tests.chaos.storm import FINAL, Call, Line, Outcome, Storm

_WAITS = ("0", "0.4", "20", "20")
_RUNS = frozenset({"parked", "running"})
_PASSING = frozenset({"record_unavailable", "shutting_down", None})
"""Codes of errors after which a client may ask once more. None of them is an outcome."""


async def call_on(storm: Storm) -> None:
    """One client: call after call, each to its end."""
    await asyncio.sleep(storm.draw.random())
    with closing(Line(storm)) as line, closing(Line(storm)) as twin:
        while not storm.ending:
            call = _new(storm)
            if call.route == "approve" and call.idempotency_key is None and storm.draw.random() < 0.3:
                await asyncio.gather(_see_through(storm, line, call), _see_through(storm, twin, call))
            else:
                await _see_through(storm, line, call)
            await asyncio.sleep(storm.draw.random() * 0.1)


def _new(storm: Storm) -> Call:
    draw, serial = storm.draw, len(storm.calls) + 1
    call = Call(
        serial=serial,
        route=draw.choice(ROUTES),
        key=draw.choice(storm.people.callers),
        stream=draw.random() < 0.4,
        wait=draw.choice(_WAITS),
        idempotency_key=f"call {serial}" if draw.random() < 0.45 else None,
    )
    storm.calls.append(call)
    return call


async def _see_through(storm: Storm, line: Line, call: Call) -> None:
    """Send a call, again where it is safe, and follow its intent until something has come of it."""
    while True:
        storm.sent[call.serial] += 1
        seen = await line.ask("POST", "/v1/chat/completions", call.key, body=call.body, headers=call.headers)
        if call.route == "plain" and call.idempotency_key is None:
            storm.plain.append(seen)
            return
        intent = _noted(storm, call, seen)
        if intent is not None and intent == "":
            return
        again = call.idempotency_key is not None and (intent is None or storm.draw.random() < 0.4)
        if intent is not None and not again:
            await _follow(storm, line, call, intent)
            return
        if not again:
            storm.tally["calls cut before anything was said"] += 1
            return
        storm.tally["calls sent again"] += 1
        await asyncio.sleep(0.05)


def _noted(storm: Storm, call: Call, seen: Seen) -> str | None:
    """The intent that is to be followed; the empty string where its outcome is there; ``None`` where nobody has said which it is."""
    told = seen.gateway.get("error")
    code = told["code"] if told else seen.error
    if code in FINAL and seen.record is None:  # the stream of a call with a key had begun before anything was known of it
        storm.tally[f"told {code} without a name"] += 1
        return ""
    if code in FINAL and seen.record is not None:
        storm.note(seen.record, Outcome(code, None if told or seen.status == 200 else seen.status, []), call)
        storm.tally[f"told {code} by the call"] += 1
        return ""
    if code is not None:
        if code not in _PASSING:
            storm.problems.append(f"T-{call.serial} on {call.route} was told {code} ({seen.status})")
        storm.tally[f"told {code} in passing"] += 1
        return None
    if seen.complete and seen.gateway.get("state") not in _RUNS:
        intent = str(seen.gateway["record"])
        storm.note(intent, Outcome(None, seen.status, seen.choices), call)
        storm.tally["told the answer by the call"] += 1
        return ""
    if seen.record is not None:
        storm.note(seen.record, None, call)
    return seen.record


async def _follow(storm: Storm, line: Line, call: Call, intent: str) -> None:
    """Ask until the intent has ended; now and then call it off."""
    while True:
        method, wait = ("DELETE", "") if not storm.ending and storm.draw.random() < 0.03 else ("GET", storm.draw.choice(("", "?wait=0.5", "?wait=5")))
        seen = await line.ask(method, f"/v1/intents/{intent}{wait}", call.key)
        body = seen.body or {}
        if seen.status == 404:
            storm.problems.append(f"{intent} of T-{call.serial} on {call.route} is not known any more")
            return
        if body.get("object") == "intent" and body["state"] not in _RUNS:
            outcome = outcome_of(body)
            storm.note(intent, outcome, call)
            storm.tally[f"told {outcome.error or 'the answer'} later"] += 1
            return
        await asyncio.sleep(0.02 + storm.draw.random() * 0.2)


def outcome_of(body: dict[str, object]) -> Outcome:
    """What ``/v1/intents/{id}`` tells of an intent that has ended. Of one that never waited nothing is kept but its record, which has the state."""
    answer, error = body["answer"], body["error"]
    if isinstance(answer, dict):
        return Outcome(None, None, choices_of(answer))
    return Outcome(str(error["code"] if isinstance(error, dict) else body["state"]), None, [])
