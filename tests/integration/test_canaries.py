"""What is redacted stays redacted: canaries go in everywhere, come back from everywhere, through every fault; then everything that was kept is searched."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from gateway.infrastructure.telemetry.logs import configure_logging
from gateway.testing import ALLOW_ALL, LocalGateway, Reply, Routing, local_gateway
from tests.integration.canaries import Canary, Hit, Search, canaries, forms
from tests.integration.talkative_upstream import TalkativeUpstream, talkative_upstream
from tests.servers.collector import Collector, collector

SENT, BROUGHT = canaries(brought=False), canaries(brought=True)
SECRETS = [canary for canary in SENT if canary.secret]

READS_ALL = {
    "intent.rego": ALLOW_ALL["intent.rego"].replace("verdict :=", "default verdict :=")
    + '\nverdict := {"outcome": "deny"} if {\n\tinput.request.messages[0].content == "x"\n\tinput.request.tools == 1\n\tinput.request.params.user == 2\n}\n',
    "answer.rego": ALLOW_ALL["answer.rego"].replace("verdict :=", "default verdict :=")
    + '\nverdict := {"outcome": "deny"} if {\n\tinput.answer.text == "x"\n\tinput.answer.tool_calls == 1\n\tinput.answer.finish_reason == 2\n}\n',
}
"""Policies that refer to all content, so that streams are buffered and decision inputs hold content."""
MODES = {"pass": (ALLOW_ALL, "false"), "buffered": (READS_ALL, "true")}
"""Stream mode, by its policies, and whether traces capture content."""

FAULTS = {
    "none": "",
    "429": "{status: 429}",
    "500": "{status: 500}",
    "malformed": "{malformed: content_type}",
    "cut": "{cut: close}",
    "reset": "{reset: middle}",
    "slow": "{slow: middle}",
}
SCRIPT = "rules:\n" + "".join(
    f"  - {{name: {name}, when: {{contains: '[{name} fault]'}}, chunks: 5, fault: {fault}}}\n" for name, fault in FAULTS.items() if fault
)
CHANGES = {"words: {PROJECT: [bluebird]}": "words: {PROJECT: [bluebird, red falcon]}, patterns: {EMPLOYEE_ID: 'E-[0-9]{6}'}"}
LIMITS = "{connect_s: 1, first_token_s: 0.3, total_s: 0.5}"


def everywhere(canary: Canary, marker: str, **parameters: Any) -> dict[str, Any]:
    """A request with the canary in every kind of place that a request has."""
    text = canary.text
    arguments = json.dumps({"q": text, text: 1, "nested": json.dumps({"inner": [text]})})
    body: dict[str, Any] = {
        "model": "assistant",
        "messages": [
            {"role": "system", "content": text},
            {"role": "user", "content": [{"type": "text", "text": text}], "name": "caller"},
            {"role": "assistant", "content": text, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": arguments}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"rows": [text], text: [text]})},
            {"role": "user", "content": f"{text} {marker}"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "look", "description": text, "parameters": {"properties": {"q": {"enum": [text], "title": text}}}}}
        ],
        "metadata": {"note": text, text: "as a key"},
        "unknown_parameter": {"deep": [{"deeper": text}], text: [1]},
        "user": text,
        "stop": [text, "END"],
        **parameters,
    }
    if canary.kind.startswith("card") and canary.value.isdigit():
        body["card_number"] = int(canary.value)
        body["metadata"]["numbers"] = [{"card": int(canary.value)}]
    return body


class Kept:
    """Everything that is left of a run, as bytes by place."""

    def __init__(self, local: LocalGateway, folder: Path, traces: Collector) -> None:
        self.local, self.folder, self.traces = local, folder, traces
        self.log = io.StringIO()

    async def places(self) -> dict[str, bytes]:
        """Everything but what callers got."""
        metrics = await self.local.get("/metrics")
        assert b"gateway_intents" in metrics.body
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.suffix not in {".rego", ".yaml"}]
        assert {"gateway.db", "gateway.db-wal"} <= {path.name for path in files}
        # A value in an overflow page may be torn in the file, so that the rows are searched as well.
        with self.local.gateway.database.read() as connection:
            rows = connection.exec_driver_sql("SELECT * FROM entries").fetchall()
        received = [bytes(str(dict(request.headers)), "utf-8") + request.body for request in self.local.provider.requests]
        return {
            **{f"file {path.name}": path.read_bytes() for path in files},
            "entries": b"\n".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row),
            "log": self.log.getvalue().encode(),
            "metrics": metrics.body,
            "upstream": b"\n".join(received),
        }


@asynccontextmanager
async def watched(folder: Path, mode: str, capture: str | None = None, **options: Any) -> AsyncIterator[Kept]:
    """A gateway that logs everything and traces to a collector."""
    policies, captures = MODES[mode]
    with collector() as traces, json_log() as log:
        telemetry = f"{{traces: {{endpoint: '{traces.endpoint}', capture_content: {capture or captures}}}, logs: {{level: debug}}}}"
        given: dict[str, Any] = {
            "policies": policies,
            "routing": Routing(limits=LIMITS),
            "changes": CHANGES,
            "telemetry": telemetry,
            "script": SCRIPT,
            **options,
        }
        async with local_gateway(folder, **given) as local:
            kept = Kept(local, folder, traces)
            kept.log = log
            yield kept


@contextlib.contextmanager
def json_log() -> Iterator[io.StringIO]:
    """Logs as in production at level debug, caught; and afterwards the root logger as it was."""
    root = logging.getLogger()
    before = root.handlers, root.level
    with contextlib.redirect_stderr(io.StringIO()) as log:
        configure_logging("json", "debug")
        try:
            yield log
        finally:
            logging.captureWarnings(False)
            root.handlers, root.level = before


async def traced(kept: Kept, intents: int) -> bytes:
    """The bodies of all exports, once every intent's root span has come."""

    def ended() -> int:
        return sum(body.count(b'"gateway.intent.id"') for body in list(kept.traces.bodies))

    for _ in range(400):
        if ended() >= intents:
            break
        await asyncio.sleep(0.05)
    assert ended() == intents
    return b"\n".join(kept.traces.bodies)


def joined(reply: Reply) -> bytes:
    """What a client makes of a reply: its bytes, and for a stream each field's deltas put together."""
    parts = [str(reply.headers).encode(), reply.body]
    if reply.headers.get("content-type", "").startswith("text/event-stream"):
        fields: dict[str, str] = {}
        for choice in (choice for event in reply.events for choice in event.get("choices", ())):
            for name, value in choice["delta"].items():
                fields[name] = fields.get(name, "") + value if isinstance(value, str) else fields.get(name, "")
            for call in choice["delta"].get("tool_calls") or ():
                fields["arguments"] = fields.get("arguments", "") + (call.get("function", {}).get("arguments") or "")
        parts += [value.encode() for value in fields.values()]
    return b"\n".join(parts)


async def in_turn(calls: list[Any], at_once: int = 24) -> list[Reply]:
    """The replies to calls, a few at a time."""
    gate = asyncio.Semaphore(at_once)

    async def one(call: Any) -> Reply:
        async with gate:
            reply: Reply = await call
            return reply

    return await asyncio.gather(*map(one, calls))


def test_there_are_forty_canaries_of_each_origin_and_none_is_in_both() -> None:
    assert len(SENT) == len(BROUGHT) == 41
    assert len({canary.value for canary in SENT + BROUGHT}) == 82


@pytest.mark.parametrize("mode", MODES)
async def test_what_a_caller_sends_is_nowhere_but_in_its_own_answers(tmp_path: Path, mode: str) -> None:
    search, secrets = Search(SENT), Search(SECRETS)
    async with watched(tmp_path, mode) as kept:
        key = kept.local.key()
        calls = [(canary, fault, stream) for fault in FAULTS for stream in (False, True) for canary in SENT]
        bodies = [everywhere(canary, f"[{fault} fault]", stream=stream) for canary, fault, stream in calls]
        replies = await in_turn([kept.local.chat(body, key=key) for body in bodies])
        statuses = {
            (fault, stream): {reply.status for (_, f, s), reply in zip(calls, replies, strict=True) if (f, s) == (fault, stream)} for _, fault, stream in calls
        }
        assert statuses["none", False] == statuses["none", True] == {200}
        assert statuses["429", False] == statuses["429", True] == {429}
        assert statuses["slow", False] == {504}
        places = {**await kept.places(), "traces": await traced(kept, len(calls))}
        assert search.hits(places) == set()
        assert secrets.hits({"caller": b"\n".join(map(joined, replies))}) == set()
        assert search.hits({"errors": b"\n".join(reply.body for reply in replies if reply.status != 200)}) == set()
        restored = [reply for (canary, fault, _), reply in zip(calls, replies, strict=True) if fault == "none" and not canary.secret]
        own = [canary for canary, fault, _ in calls if fault == "none" and not canary.secret]
        assert all(canary.value in reply.text for canary, reply in zip(own, restored, strict=True))


def raiser(canary: Canary) -> Any:
    """Stands in for any step of the path: fails, quoting what it worked on, as libraries do."""

    def fail(*_: object, **__: object) -> NoReturn:
        try:
            raise KeyError(canary.text)
        except KeyError as error:
            raise ValueError(f"cannot handle {canary.text!r}") from error

    return fail


CRASHES = (
    "gateway.pipeline.run.resolve", "gateway.pipeline.run.inspect", "gateway.pipeline.run.decide", "gateway.pipeline.run.assemble",
    "gateway.pipeline.run.open_record",
    "gateway.pipeline.attempt.OpenAttempt.end", "gateway.pipeline.release.screen", "gateway.pipeline.stream.screen", "gateway.pipeline.relay.gateway_object",
    "gateway.surfaces.intent_endpoint._headers",
)  # fmt: skip


async def test_a_crash_that_quotes_content_leaks_none_of_it(tmp_path: Path) -> None:
    search, secrets = Search(SENT), Search(SECRETS)
    async with watched(tmp_path, "pass", "true") as kept:
        replies = []
        for step in CRASHES:
            for canary in SENT[::4]:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(step, raiser(canary))
                    bodies = [everywhere(canary, "", stream=stream) for stream in (False, True)]
                    replies += [await kept.local.chat(body) for body in bodies]
        assert {reply.status for reply in replies} == {200, 500}
        assert kept.log.getvalue().count("ValueError") >= len(CRASHES) * len(SENT[::4])
        assert search.hits(await kept.places()) == set()
        assert search.hits({"traces": b"\n".join(kept.traces.bodies)}) == set()
        assert secrets.hits({"caller": b"\n".join(map(joined, replies))}) == set()
        assert search.hits({"errors": b"\n".join(reply.body for reply in replies if reply.status != 200)}) == set()


@pytest.mark.parametrize("mode", MODES)
async def test_what_a_model_brings_reaches_nobody_unless_policy_reveals_it(tmp_path: Path, mode: str) -> None:
    search = Search(BROUGHT)
    async with talkative_upstream() as upstream:
        changes = {
            **CHANGES,
            "routes:\n": f"  talkative: {{base_url: '{upstream.url}', model: simulated-1, limits: {LIMITS}}}\nroutes:\n  talkative: {{target: talkative}}\n",
        }
        async with watched(tmp_path, mode, changes=changes) as kept:
            replies = [await brought(kept.local, upstream, canary, fault, stream) for fault in TALK for stream in (False, True) for canary in BROUGHT]
            assert [reply.status for reply in replies[: 2 * len(BROUGHT)]] == [200] * 2 * len(BROUGHT)
            places = {**await kept.places(), "traces": await traced(kept, len(replies)), "caller": b"\n".join(map(joined, replies))}
            assert search.hits(places) == set()


TALK = ("", "odd finish", "429", "500", "400", "malformed", "cut", "reset")


async def brought(local: LocalGateway, upstream: TalkativeUpstream, canary: Canary, fault: str, stream: bool) -> Reply:
    upstream.text, upstream.value = canary.text, canary.identifier
    upstream.finish, upstream.fault = (canary.text, "") if fault == "odd finish" else ("stop", fault)
    return await local.chat({"model": "talkative", "messages": [{"role": "user", "content": "go on"}], "stream": stream})


async def test_the_search_finds_what_is_shown_so_its_silence_means_something(tmp_path: Path) -> None:
    """With everything revealed, and only then, the values are found; secrets still are not."""
    shows = '"reveal": {"model": ["*"], "caller": ["*"], "record": ["*"]}'
    policies = {
        "intent.rego": ALLOW_ALL["intent.rego"].replace('"reveal": {"model": [], "caller": [], "record": []}', shows),
        "answer.rego": ALLOW_ALL["answer.rego"].replace('"reveal": {"caller": [], "record": []}', shows),
    }
    async with watched(tmp_path, "pass", "true", policies=policies) as kept:
        await in_turn([kept.local.chat(everywhere(canary, "")) for canary in SENT])
        places = {**await kept.places(), "traces": await traced(kept, len(SENT))}
        open_ones = {canary.kind for canary in SENT if not canary.secret}
        for place in ("upstream", "entries", "traces"):
            assert {hit.kind for hit in Search(SENT).hits({place: places[place]})} == open_ones
        assert Search(SECRETS).hits(places) == set()


@pytest.mark.parametrize("form", forms("quill.marlow@example.com/?"))
def test_every_form_is_found(form: str) -> None:
    canary = Canary("any", "EMAIL_ADDRESS", "quill.marlow@example.com/?", "")
    assert any(hit == Hit("here", "any", hit.form) for hit in Search([canary]).hits({"here": b"before " + forms(canary.value)[form] + b" after"}))
