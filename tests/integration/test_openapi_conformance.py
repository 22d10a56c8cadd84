"""What the OpenAPI document says is what a running gateway does: schemathesis makes requests from it, right ones and wrong ones.

No answer is a server error other than those of a failing target, each is documented with its form, and what the document forbids is refused.
"""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

import pytest
import schemathesis
import uvicorn
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished
from schemathesis.schemas import BaseSchema

from gateway.domain import Json
from gateway.surfaces.http_protocol import bounded
from gateway.testing import ALLOW_ALL, LocalGateway, Routing, local_gateway

HELD = """
verdict := {
    "outcome": "escalate",
    "reasons": [],
    "obligations": {"approval": {"mode": "approve", "min_approvers": 2}},
} if input.request.route == "held"
"""
TOKENS_TOO = {
    **ALLOW_ALL,
    "intent.rego": ALLOW_ALL["intent.rego"].replace('"obligations": {', '"obligations": {"allow_unscanned": true, ').replace("verdict :=", "default verdict :=")
    + HELD,
}
"""All but the calls of one route, which wait for two persons. Embeddings of tokens are let pass."""
MODELS = ["assistant", "assistant-large", "gpt-4o-mini"]


class Served(NamedTuple):
    base_url: str
    key: str
    document: Json
    record: str
    """The id of an intent of the key."""
    waiting: list[str]
    """Ids of intents of the key that wait for people."""
    tasks: list[str]
    """Ids of tasks: of the first the key has approved, the second it holds, others are open."""


class GatewayThread:
    """A gateway that listens on loopback, in a thread and an event loop of its own: the requests come from code that blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready: Future[Served] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._server: uvicorn.Server | None = None

    def start(self) -> Served:
        self._thread.start()
        return self._ready.result(30)

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(20)

    async def _serve(self) -> None:
        try:
            async with local_gateway(self._folder, policies=TOKENS_TOO, routing=Routing(routes={"held": "{target: simulated}"})) as local:
                http = bounded(head_bytes=65_536, body_bytes=1 << 20)
                config = uvicorn.Config(local.gateway.front, port=0, http=http, lifespan="off", log_config=None, access_log=False)
                self._server = uvicorn.Server(config)
                serving = asyncio.create_task(self._server.serve())
                await asyncio.to_thread(self._until_started)
                port = self._server.servers[0].sockets[0].getsockname()[1]
                document = (await local.get("/openapi.json")).json
                record = (await local.ask("hello", key=local.key(roles=("reviewer",)))).headers["x-gateway-record"]
                key = local.key(roles=("reviewer",))
                waiting = [await _held(local, key, number) for number in range(8)]
                tasks = [task for task, _ in waiting]
                await _post(local, key, f"/v1/tasks/{tasks[0]}/decide", b'{"action":"accept"}')
                await _post(local, key, f"/v1/tasks/{tasks[1]}/claim", b"")
                self._ready.set_result(Served(f"http://127.0.0.1:{port}", key, document, record, [intent for _, intent in waiting], tasks))
                await serving
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            raise

    def _until_started(self) -> None:
        while self._server is not None and not self._server.started:
            time.sleep(0.01)


async def _held(local: LocalGateway, key: str, number: int) -> tuple[str, str]:
    """The ids of a task and its intent."""
    body = {"model": "held", "messages": [{"role": "user", "content": str(number)}]}
    headers = (await local.chat(body, key=key, headers={"x-gateway-wait": "0"})).headers
    return headers["x-gateway-task"], headers["x-gateway-record"]


async def _post(local: LocalGateway, key: str, path: str, body: bytes) -> None:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    assert (await local.request("POST", path, headers, body)).status == 200


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    gateway = GatewayThread(tmp_path_factory.mktemp("gateway"))
    yield gateway.start()
    gateway.stop()


@pytest.fixture(scope="module")
def api(served: Served) -> BaseSchema:
    """The document as schemathesis reads it, with the models and the record that this gateway has: others would only ever be answered 404."""
    document = copy.deepcopy(served.document)
    for request in ("ChatRequest", "EmbeddingsRequest"):
        document["components"]["schemas"][request]["properties"]["model"] = {"type": "string", "enum": MODELS}
    _values(document, "/v1/records/{id}/explain", "id", [served.record])
    _values(document, "/v1/intents/{id}", "id", [served.record], "get")  # it has ended, so that nothing is waited for
    _values(document, "/v1/intents/{id}", "id", served.waiting[-3:], "delete")
    for path in document["paths"]:
        if path.startswith("/v1/tasks/{id}"):
            _values(document, path, "id", served.tasks)
    _values(document, "/v1/tasks", "queue", ["default"])
    del document["paths"]["/v1/tasks"]["get"]["parameters"][-1]  # a cursor that no page gave is refused
    found: BaseSchema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig(seed=7))
    config = found.config
    config.update(base_url=served.base_url, headers={"Authorization": f"Bearer {served.key}"}, workers=1, request_timeout=20, continue_on_failure=True)
    config.generation.update(max_examples=60, deterministic=True, database="none", allow_extra_parameters=False)
    config.checks.not_a_server_error.expected_statuses = ["2XX", "4XX", "502", "503", "504"]  # what a failing target is answered with
    config.checks.positive_data_acceptance.enabled = False  # a right request may be refused: by its target, by policy, for a schema in it that is none
    config.phases.stateful.enabled = False  # nothing that a caller makes here can be asked for afterwards
    return found


def _values(document: Json, path: str, name: str, values: list[str], *methods: str) -> None:
    """Let a parameter of a path's operations, all or some, have these values alone."""
    for method in methods or document["paths"][path]:
        for parameter in document["paths"][path][method]["parameters"]:
            if parameter["name"] == name:
                parameter["schema"] = {"type": "string", "enum": values}


def test_the_document_is_openapi(api: BaseSchema) -> None:
    api.validate()
    assert sum(1 for _ in api.get_all_operations()) == 16


def test_every_answer_is_as_the_document_says(api: BaseSchema) -> None:
    answers: Counter[tuple[str, int]] = Counter()
    problems: list[str] = []
    for event in from_schema(api).execute():
        if isinstance(event, ScenarioFinished):
            for interaction in event.recorder.interactions.values():
                answers[event.recorder.label, interaction.response.status_code if interaction.response else 0] += 1
            problems += [
                f"{event.recorder.label}: {check.failure_info.failure}\n{check.failure_info.code_sample}"
                for checks in event.recorder.checks.values()
                for check in checks
                if check.failure_info is not None
            ]
        elif isinstance(event, (NonFatalError, FatalError)):
            problems.append(str(event))
    assert not problems, "\n\n".join(problems[:10])
    described = {f"{method.upper()} {path}" for path, methods in api.raw_schema["paths"].items() for method in methods}
    assert {label for label, status in answers if status == 200} == described
    assert {status for label, status in answers if label == "POST /v1/embeddings"} >= {200, 400, 401, 404, 405}
