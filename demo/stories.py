"""The stories of the demo. Each drives the gateway with the official ``openai`` package and checks what it tells: a story that is not true fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import openai
from stage import Stage

EMAIL, CARD, PHONE = "jane.doe@example.com", "4111 1111 1111 1111", "+1 202 555 0143"
# Looks like a provider's key and is none. Put together here so that no scanner of this repository takes it for one.
API_KEY = "sk-" + "proj-" + "Zq8Xw3Rt6Yu1Io9Pa4Sd7Fg2Hj5Kl0Zx3Cv6Bn"
VOLUNTEERED = ("dana.reyes@example.com", "+1 202 555 0147", "4000 0566 5566 5556")


class NotAsToldError(Exception):
    """Something did not go as the story says."""


def expect(holds: object, what: str) -> None:
    """Fail the story unless ``holds``."""
    if not holds:
        raise NotAsToldError(what)


@dataclass
class Told:
    """What a story has to show."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    record: str = ""

    def say(self, who: str, what: str) -> None:
        """One line: who saw or did what."""
        self.lines.append((who, " ".join(what.split())))


Story = Callable[[Stage, str], Told]


def client_of(stage: Stage, key: str) -> openai.OpenAI:
    """An unmodified client; only its address and key are the gateway's."""
    return openai.OpenAI(base_url=f"{stage.base_url}/v1", api_key=key, max_retries=0, timeout=30)


def read_stream(response: Any) -> tuple[str, list[dict[str, str]], Any]:
    """The text, the tool calls and the last chunk with a choice of a streamed answer."""
    text, last = "", None
    calls: list[dict[str, str]] = []
    for chunk in response:
        for choice in chunk.choices:
            last = chunk
            text += choice.delta.content or ""
            for part in choice.delta.tool_calls or ():
                add_part(calls, part)
    return text, calls, last


def add_part(calls: list[dict[str, str]], part: Any) -> None:
    """Add a part of a streamed tool call to the calls so far."""
    while len(calls) <= part.index:
        calls.append({"id": "", "name": "", "arguments": ""})
    call = calls[part.index]
    call["id"] += part.id or ""
    if part.function:
        call["name"] += part.function.name or ""
        call["arguments"] += part.function.arguments or ""


def last_user_text(body: str) -> str:
    """What the model was asked, from the bytes that the provider received."""
    return str(json.loads(body)["messages"][-1]["content"])


def allowed(stage: Stage, key: str) -> Told:
    """Allowed, streamed: personal data are placeholders for the model and restored for the caller; a secret goes nowhere."""
    told, before = Told(), len(stage.received())
    prompt = f"Read this back: {EMAIL} paid with {CARD}, reach her at {PHONE}. Our key is {API_KEY}."
    with client_of(stage, key).chat.completions.with_streaming_response.create(
        model="assistant", stream=True, messages=[{"role": "user", "content": prompt}]
    ) as raw:
        told.record = raw.headers["x-gateway-record"]
        text, _, last = read_stream(raw.parse())
    told.say("caller sent", prompt)
    seen = stage.received(before)
    expect(len(seen) == 1, "the model was called once")
    told.say("model saw", last_user_text(seen[0]))
    for value in (EMAIL, CARD, PHONE, API_KEY):
        expect(value not in seen[0], "a value of the caller reached the model")
    for placeholder in ("<EMAIL_ADDRESS_", "<CREDIT_CARD_", "<PHONE_NUMBER_", "<SECRET>"):
        expect(placeholder in seen[0], f"the model did not see {placeholder}")
    told.say("caller got", text)
    expect(all(value in text for value in (EMAIL, CARD, PHONE)), "the caller did not get its own values back")
    expect(API_KEY not in text and "<SECRET>" in text, "a secret came back")
    added = last.model_extra["gateway"]
    told.say("gateway says", json.dumps({name: added[name] for name in ("cost_microusd", "redactions", "attempts")}))
    return told


def denied(stage: Stage, key: str) -> Told:
    """Denied by policy: the rule's reason, raised by the client as its own exception class."""
    told, before = Told(), len(stage.received())
    try:
        client_of(stage, key).chat.completions.create(model="assistant-large", messages=[{"role": "user", "content": "Draft a reply."}])
    except openai.PermissionDeniedError as error:
        told.record = error.response.headers["x-gateway-record"]
        told.say("client raised", f"{type(error).__name__}, code {error.code}")
        told.say("because", str(error.body["message"]))  # type: ignore[index]
        expect(error.code == "policy_denied", "the refusal has another code")
        expect("(" in str(error.message), "the refusal does not name its rule")
    else:
        raise NotAsToldError("policy let a route through that the team may not use")
    expect(len(stage.received()) == before, "a refused intent reached the model")
    told.say("model saw", "nothing: 0 requests")
    return told


def volunteered(stage: Stage, key: str) -> Told:
    """A model that volunteers somebody's personal data: redacted for the caller, though each value was split across chunks."""
    told = Told()
    with client_of(stage, key).chat.completions.with_streaming_response.create(
        model="assistant", stream=True, messages=[{"role": "user", "content": "Who looks after invoice 1041?"}]
    ) as raw:
        told.record = raw.headers["x-gateway-record"]
        text, _, last = read_stream(raw.parse())
    told.say("model said", "Dana looks after it: dana.re|yes@exa|mple.com, or call +1 202 5|55 01|47. Her card 4000 0566 |5566 5556 is on file.")
    told.say("caller got", text)
    for value in VOLUNTEERED:
        expect(value not in text, "a volunteered value reached the caller")
    for placeholder in ("<EMAIL_ADDRESS_", "<PHONE_NUMBER_", "<CREDIT_CARD_"):
        expect(placeholder in text, f"the caller did not get {placeholder}")
    expect(text.startswith("Dana looks after it: ") and text.endswith(" is on file."), "the text around the values was damaged")
    told.say("gateway says", json.dumps(last.model_extra["gateway"]["redactions"]))
    return told


def tools(stage: Stage, key: str) -> Told:
    """A tool conversation: arguments arrive as valid JSON, restored for the caller, who runs the tool; its result is redacted for the model."""
    told, before = Told(), len(stage.received())
    client = client_of(stage, key)
    tool: Any = {
        "type": "function",
        "function": {"name": "find_order", "description": "Find an order.", "parameters": {"type": "object", "properties": {"email": {"type": "string"}}}},
    }
    messages: list[Any] = [{"role": "user", "content": f"Find the order of {EMAIL}, please."}]
    _, calls, _ = read_stream(client.chat.completions.create(model="assistant", stream=True, messages=messages, tools=[tool]))
    expect(len(calls) == 1 and calls[0]["name"] == "find_order", "the model's tool call did not arrive")
    arguments = json.loads(calls[0]["arguments"])
    told.say("caller got", f"{calls[0]['name']}({calls[0]['arguments']})")
    expect(arguments["email"] == EMAIL, "the placeholder in the arguments was not restored")
    result = json.dumps({"order": "A-17", "ship_to": arguments["email"], "phone": PHONE})
    function = {"name": calls[0]["name"], "arguments": calls[0]["arguments"]}
    messages += [
        {"role": "assistant", "content": None, "tool_calls": [{"id": calls[0]["id"], "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": calls[0]["id"], "content": result},
    ]
    told.say("tool said", result)
    with client.chat.completions.with_streaming_response.create(model="assistant", stream=True, messages=messages, tools=[tool]) as raw:
        told.record = raw.headers["x-gateway-record"]
        text, _, _ = read_stream(raw.parse())
    seen = stage.received(before)
    expect(len(seen) == 2, "the model was not called twice")
    told.say("model saw", last_user_text(seen[1]))
    for body in seen:
        expect(EMAIL not in body and PHONE not in body, "a value reached the model")
    told.say("caller got", text)
    expect(EMAIL in text and PHONE in text, "the caller did not get its own values back")
    return told


STORIES: tuple[tuple[str, str, Story], ...] = (
    ("1", "personal data stays here, a secret goes nowhere", allowed),
    ("2", "policy says no", denied),
    ("3", "the model volunteers personal data", volunteered),
    ("4", "a tool conversation", tools),
)
