"""Calls that wait for a person, with the official client, newest and oldest: it needs to know nothing of that, and is told where it stands if it asks."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import openai
import pydantic
import pytest

from tests.e2e.asking import said, text_of
from tests.e2e.conftest import Deploy
from tests.e2e.deployment import Deployment, eventually

AT_ONCE = {"x-gateway-wait": "0"}


class Paid(pydantic.BaseModel):
    city: str
    people: int


class People:
    """A gateway whose keep-alives come fast, and a person who decides at it."""

    def __init__(self, gateway: Deployment) -> None:
        self.gateway = gateway
        self._key = gateway.new_key("--name", "Ada Example", "--role", "reviewer")
        self._seen: set[str] = set()

    def ask(self, path: str, body: Any = None, key: str | None = None) -> Any:
        """What the gateway answers to a person, or with ``key`` to somebody else."""
        headers = {"authorization": f"Bearer {key or self._key}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.gateway.base_url + path, data, headers), timeout=20) as answer:
            return json.loads(answer.read())

    def decide(self, action: str, **more: Any) -> None:
        """Decide about the next task that is new."""
        task = eventually("there is a task", self._new)
        self._seen.add(task)
        self.ask(f"/v1/tasks/{task}/decide", {"action": action, **more})

    def _new(self) -> str | None:
        """The calls of one test that has ended are nobody's any more: only tasks since the last decision count."""
        tasks = [task["id"] for task in self.ask("/v1/tasks?state=open")["data"] if task["id"] not in self._seen]
        return tasks[-1] if tasks else None


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, prepared: Deployment, key: str) -> Iterator[People]:
    changes = {"\nqueues: #": "\nwaiting: {keep_alive_s: 0.3, sweep_s: 0.1, poll_s: 0.1}\n\nqueues: #"}
    deployment = Deployment(tmp_path_factory.mktemp("waiting"), prepared.provider, changes, like=prepared)
    made = People(deployment)
    deployment.start()
    yield made
    deployment.stop()


@pytest.fixture
def payer(people: People, key: str) -> Iterator[openai.OpenAI]:
    """A client that gives up on a connection that says nothing for a second and a half, and retries."""
    patience = openai.Timeout(20, read=1.5)
    with openai.OpenAI(base_url=f"{people.gateway.base_url}/v1", api_key=key, max_retries=2, timeout=patience) as made:
        yield made


def keeps_waiting(call: Future[Any], seconds: float) -> None:
    """See that a call does not end within so many seconds."""
    with pytest.raises(TimeoutError):
        call.result(seconds)


def pay(client: openai.OpenAI, text: str, **parameters: Any) -> Any:
    return client.chat.completions.create(**{"model": "payments", "messages": said(text), **parameters})


def whole(answer: Any) -> tuple[str, str, dict[str, Any]]:
    """Content, refusal and what the gateway says, streamed or not."""
    if isinstance(answer, openai.Stream):
        chunks = list(answer)
        refusal = "".join(choice.delta.refusal or "" for chunk in chunks for choice in chunk.choices)
        return text_of(chunks), refusal, next(chunk.gateway for chunk in chunks if getattr(chunk, "gateway", None))
    message = answer.choices[0].message
    return message.content or "", message.refusal or "", answer.gateway


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_waits_gets_the_answer_once_a_person_lets_the_call_go(people: People, payer: openai.OpenAI, streamed: bool) -> None:
    marker = uuid4().hex
    with ThreadPoolExecutor(1) as waiting:
        call = waiting.submit(lambda: whole(pay(payer, f"{marker} pay jane.doe@example.com", stream=streamed)))
        eventually("somebody waits", lambda: people.gateway.metric("gateway_callers_waiting") == 1)
        keeps_waiting(call, 2.5)  # longer than the client waits for a byte
        assert people.gateway.provider.received(marker) == []
        people.decide("accept")
        text, refusal, added = call.result(15)
    assert (text, refusal) == (f"{marker} pay jane.doe@example.com", "")
    assert added["target"] == "simulated"
    assert len(people.gateway.provider.received(marker)) == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_that_policy_doubts_is_edited_by_a_person(people: People, payer: openai.OpenAI, streamed: bool) -> None:
    with ThreadPoolExecutor(1) as waiting:
        call = waiting.submit(lambda: whole(pay(payer, f"{uuid4().hex} a doubtful request", model="triage", stream=streamed)))
        people.decide("edit", content="certainly billing")
        text, refusal, _ = call.result(15)
    assert (text, refusal) == ("certainly billing", "")


def test_a_person_who_refuses_is_a_refusal_to_a_client_that_has_waited(people: People, payer: openai.OpenAI) -> None:
    with ThreadPoolExecutor(1) as waiting:
        call = waiting.submit(lambda: whole(pay(payer, f"{uuid4().hex} pay")))
        keeps_waiting(call, 1.0)
        people.decide("refuse")
        text, refusal, added = call.result(15)
    assert text == ""
    assert refusal == added["error"]["message"]
    assert added["state"] == "refused"


def test_a_person_who_refuses_ends_a_stream_that_has_begun_with_an_error(people: People, payer: openai.OpenAI) -> None:
    with ThreadPoolExecutor(1) as waiting:
        call = waiting.submit(lambda: whole(pay(payer, f"{uuid4().hex} pay", stream=True)))
        keeps_waiting(call, 1.0)
        people.decide("refuse")
        with pytest.raises(openai.APIError, match="refused"):
            call.result(15)


@pytest.mark.parametrize("streamed", [False, True])
def test_who_does_not_wait_learns_where_the_call_stands_and_fetches_its_answer_later(people: People, payer: openai.OpenAI, key: str, streamed: bool) -> None:
    marker = uuid4().hex
    text, refusal, added = whole(pay(payer, f"{marker} pay", stream=streamed, extra_headers=AT_ONCE))
    assert (text, added["state"]) == ("", "parked")
    assert added["task"]["id"] in refusal
    assert people.ask(added["poll"], key=key)["state"] == "parked"
    people.decide("accept")
    told = people.ask(f"{added['poll']}?wait=10", key=key)
    assert (told["state"], told["answer"]["choices"][0]["message"]["content"]) == ("completed", f"{marker} pay")


def test_parse_hands_a_pending_answer_on_as_a_refusal(people: People, payer: openai.OpenAI) -> None:
    chats = getattr(payer.chat.completions, "parse", None) or payer.beta.chat.completions.parse
    answer = chats(model="payments", messages=said(f"{uuid4().hex} As JSON"), response_format=Paid, extra_headers=AT_ONCE)
    message = answer.choices[0].message
    assert (message.parsed, message.content) == (None, None)
    assert "/v1/intents/" in str(message.refusal)
    people.decide("refuse")


def test_the_same_call_after_a_time_out_joins_the_first_and_is_made_once(people: People, payer: openai.OpenAI) -> None:
    marker = uuid4().hex
    first = whole(pay(payer, f"{marker} pay", extra_headers=AT_ONCE))[2]
    with ThreadPoolExecutor(1) as waiting:
        call = waiting.submit(lambda: whole(pay(payer, f"{marker} pay")))
        people.decide("accept")
        text, _, added = call.result(15)
    assert (text, added["record"]) == (f"{marker} pay", first["record"])
    assert len(people.gateway.provider.received(marker)) == 1


def test_pending_embeddings_are_a_conflict_that_is_not_retried(people: People, payer: openai.OpenAI) -> None:
    with pytest.raises(openai.ConflictError) as raised:
        payer.embeddings.create(model="payments", input=f"{uuid4().hex} vectors", extra_headers=AT_ONCE)
    assert (raised.value.code, raised.value.response.headers["x-should-retry"]) == ("pending", "false")
    people.decide("refuse")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_client_that_times_out_and_retries_with_a_key_makes_one_call(people: People, key: str, streamed: bool) -> None:
    marker = uuid4().hex
    client = openai.OpenAI(base_url=f"{people.gateway.base_url}/v1", api_key=key, max_retries=5, timeout=openai.Timeout(20, read=0.2))
    headers = {"Idempotency-Key": marker}
    with client:
        text, _, _ = whole(client.chat.completions.create(model="assistant", messages=said(f"{marker} Count slowly"), stream=streamed, extra_headers=headers))
    assert text.startswith("one two three")
    assert len(people.gateway.provider.received(marker)) == 1


def test_a_gateway_that_stops_tells_who_waits_where_they_stand(deploy: Deploy, key: str) -> None:
    gateway = deploy({})  # with keep-alives so rare that none of them can be what ends the wait
    gateway.start()
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=key, max_retries=0, timeout=20) as client, ThreadPoolExecutor(1) as waiting:
        call = waiting.submit(lambda: whole(pay(client, f"{uuid4().hex} pay")))
        eventually("somebody waits", lambda: gateway.metric("gateway_callers_waiting") == 1)
        gateway.signal()
        text, _, added = call.result(10)
    assert (text, added["state"]) == ("", "parked")
    assert gateway.wait() in {0, -signal.SIGTERM}
