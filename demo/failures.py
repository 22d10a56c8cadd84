"""The stories of what can go wrong with a model: it fails, it breaks its schema, it guesses. Each has a declared response."""

from __future__ import annotations

import json
from typing import Any

import openai
import pydantic
from stage import Stage
from stories import EMAIL, NotAsToldError, Story, Told, client_of, expect, last_user_text, read_stream

GUESS = "Team Harbour"


class Item(pydantic.BaseModel):
    """A line of an order."""

    name: str
    quantity: int


class Order(pydantic.BaseModel):
    """What the caller wants to have read out of a text."""

    customer: str
    email: str
    items: list[Item]


def chosen(added: Any, *names: str) -> str:
    """Some of what the gateway adds to an answer."""
    return json.dumps({name: added[name] for name in names})


def falls_back(stage: Stage, key: str) -> Told:
    """The provider answers 500: the next target of the route answers instead, and the client sees a stream like any other."""
    told, before = Told(), len(stage.received())
    prompt = f"Plan the week of the lighthouse, and write to {EMAIL}."
    with client_of(stage, key).chat.completions.with_streaming_response.create(
        model="assistant", stream=True, messages=[{"role": "user", "content": prompt}]
    ) as raw:
        told.record = raw.headers["x-gateway-record"]
        text, _, last = read_stream(raw.parse())
    told.say("caller got", text)
    expect(text.startswith("Monday: lamps.") and text.endswith(f"{EMAIL}."), "the caller did not get the fallback's answer")
    added = last.model_extra["gateway"]
    told.say("gateway says", chosen(added, "target", "fallback", "attempts", "cost_microusd"))
    asked = [json.loads(body)["model"] for body in stage.received(before)]
    told.say("models asked", ", ".join(asked))
    expect(added["fallback"] is True and added["attempts"] == len(asked) >= 2, "the gateway object does not tell of the fallback")
    expect(asked[0] == "simulated-1" and asked[-1] == "simulated-2", "another than the second target answered")
    attempts = stage.record(told.record).attempts
    expect([attempts[0]["purpose"], attempts[-1]["purpose"]] == ["first", "fallback"], "the record does not tell of the fallback")
    expect(attempts[0]["error"] == "upstream.unavailable" and attempts[-1]["error"] is None, "the record does not say which attempt failed")
    expect(all(EMAIL not in body for body in stage.received(before)), "a value of the caller reached a model")
    return told


def repairs(stage: Stage, key: str) -> Told:
    """A structured answer breaks its schema: the model is told the place and the keyword, never a value, and its second answer is right."""
    told, before = Told(), len(stage.received())
    completion = client_of(stage, key).chat.completions.parse(
        model="extract", response_format=Order, messages=[{"role": "user", "content": f"Read the order: Jane Doe, {EMAIL}, wants a dozen lamps."}]
    )
    added: Any = (completion.model_extra or {})["gateway"]
    told.record = added["record"]
    seen = stage.received(before)
    expect(len(seen) == 2, f"the model was called {len(seen)} times, not twice")
    told.say("model said", json.loads(seen[1])["messages"][-2]["content"])
    instruction = last_user_text(seen[1])
    told.say("model was told", instruction)
    expect("/quantity/type" in instruction and "dozen" not in instruction, "the model was not told the place alone")
    expect(all(EMAIL not in body for body in seen), "a value of the caller reached the model")
    order = completion.choices[0].message.parsed
    told.say("client parsed", repr(order))
    expect(order == Order(customer="Jane Doe", email=EMAIL, items=[Item(name="lamp", quantity=12)]), "the client did not get the right object")
    told.say("gateway says", chosen(added, "schema_valid", "repairs", "attempts", "fallback", "cost_microusd"))
    expect(added["schema_valid"] is True and added["repairs"] == ["asked"] and added["fallback"] is False, "the answer was not come by as told")
    expect([one["purpose"] for one in stage.record(told.record).attempts] == ["first", "repair"], "the record does not tell of the repair")
    return told


def doubts(stage: Stage, key: str) -> Told:
    """An answer of low confidence, where nobody is there to review it: policy refuses it, and its record has the score and every signal."""
    told = Told()
    try:
        client_of(stage, key).chat.completions.create(model="triage-auto", messages=[{"role": "user", "content": "Which team looks after pier nine?"}])
    except openai.PermissionDeniedError as error:
        told.record = error.response.headers["x-gateway-record"]
        told.say("client raised", f"{type(error).__name__}, code {error.code}")
        told.say("because", str(error.body["message"]))  # type: ignore[index]
        expect("answer.confidence" in str(error.message), "the refusal does not name its rule")
        expect(GUESS not in str(error.message), "the refused answer stands in the refusal")
    else:
        raise NotAsToldError("policy let an answer through that is not to be trusted")
    judged = stage.record(told.record).confidence
    expect(judged.get("score") is not None and judged["score"] < 0.5, "the record has no low confidence")
    expect(0 < judged["signals"]["logprobs"] < 0.5, "the record does not have the signal")
    drawn = stage.command("records", "show", "--tenant", "acme", told.record)
    for line in drawn.splitlines():
        if "assessed" in line or "signals:" in line or "answer.confidence" in line:
            told.say("records show", line)
    expect("signals: logprobs" in drawn, "`gateway records show` does not show the signals")
    return told


FAILURES: tuple[tuple[str, str, Story], ...] = (
    ("5", "the provider fails, and the next one answers", falls_back),
    ("6", "an answer breaks its schema, and is repaired", repairs),
    ("7", "an answer that is not to be trusted", doubts),
)
