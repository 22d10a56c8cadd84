"""A gateway whose routes wait for people: each route's name says what policy wants of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import uvicorn

from gateway.domain import Json
from gateway.testing import LocalGateway, Reply, Routing, local_gateway

QUEUES = "{default: {}, payments: {teams: [payments], claim_s: 5}}"
ROUTES = ("approve", "answer", "payments", "four", "distinct", "brief", "review", "dictate")
POLICIES = {
    "intent.rego": """package gateway.intent

import rego.v1

terms := {
    "approve": {"mode": "approve", "queue": "default"},
    "answer": {"mode": "answer", "queue": "default"},
    "payments": {"mode": "approve", "queue": "payments"},
    "four": {"mode": "approve", "queue": "default", "min_approvers": 2},
    "dictate": {"mode": "answer", "queue": "default", "min_approvers": 2},
    "distinct": {"mode": "approve", "queue": "default", "distinct_from": ["requester"]},
    "brief": {"mode": "approve", "queue": "default", "expires_in_s": 1},
}

wanted := terms[input.request.route]

given := count([one | some one in input.approvals; one.hook == "intent"])

reveal := {"model": [], "caller": [], "record": [], "person": ["EMAIL_ADDRESS"]}

default verdict := {"outcome": "allow", "reasons": [], "obligations": {"reveal": {}}}

verdict := {
    "outcome": "escalate",
    "reasons": [{"rule": "test.wanted", "message": "a person has to decide"}],
    "obligations": {"reveal": reveal, "approval": wanted},
} if given < object.get(wanted, "min_approvers", 1)
""",
    "answer.rego": """package gateway.answer

import rego.v1

default verdict := {"outcome": "allow", "reasons": [], "obligations": {"reveal": {}}}

verdict := {
    "outcome": "escalate",
    "reasons": [{"rule": "test.review", "message": "a person has to look"}],
    "obligations": {"reveal": {"person": []}, "approval": {"mode": "review", "queue": "default"}},
} if {
    input.request.route == "review"
    count(input.approvals) == 0
}
""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The gateway, and people by name."""

    local: LocalGateway

    def key(self, name: str = "Ada Example", *, tenant: str = "acme", teams: tuple[str, ...] = ("support",), roles: tuple[str, ...] = ("reviewer",)) -> str:
        """A person's key."""
        return self.local.key(tenant, name=name, teams=teams, roles=roles)

    async def park(self, route: str, text: str = "please", *, key: str | None = None) -> str:
        """The id of the task of an intent on ``route``."""
        body = {"model": route, "messages": [{"role": "user", "content": text}]}
        reply = await self.local.chat(body, key=key or self.local.key(name="billing agent"), headers={"x-gateway-wait": "0"})
        assert reply.status == 200, reply.body
        return str(reply.headers["x-gateway-task"])

    async def get(self, path: str, key: str | None = None) -> Reply:
        """A GET by Ada, or by whoever has ``key``."""
        return await self.local.get(path, key=key or self.key())

    async def post(self, path: str, body: object = None, key: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """A POST by Ada, or by whoever has ``key``."""
        whole = {"authorization": f"Bearer {key or self.key()}"}
        whole |= {"content-type": "application/json"} if body is not None else {}
        raw = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        return await self.local.request("POST", path, whole | dict(headers or {}), raw)

    async def move(self, task: str, move: str, body: object = None, key: str | None = None) -> Json:
        """What a move of a task that has to work gives."""
        reply = await self.post(f"/v1/tasks/{task}/{move}", body, key)
        assert reply.status == 200, reply.body
        return reply.json

    async def outcome(self, task: str, key: str | None = None) -> Json:
        """The intent of a task when it has ended, as its caller sees it."""
        intent = (await self.get(f"/v1/tasks/{task}")).json["intent"]
        return (await self.local.get(f"/v1/intents/{intent}?wait=20", key=key or self.local.key(name="billing agent"))).json


@asynccontextmanager
async def people_at(folder: Path, *, sweep_s: float = 0.1) -> AsyncIterator[People]:
    """A running gateway with these routes, queues and policies. ``sweep_s``: between two looks for what has expired."""
    routing = Routing(queues=QUEUES, waiting=f"{{sweep_s: {sweep_s}, poll_s: 0.05}}", routes=dict.fromkeys(ROUTES, "{target: simulated, retries: {max: 0}}"))
    async with local_gateway(folder, policies=POLICIES, routing=routing) as local:
        yield People(local=local)


@asynccontextmanager
async def served(people: People) -> AsyncIterator[str]:
    """The URL of the gateway while it is served on a port of this machine."""
    config = uvicorn.Config(people.local.gateway.front, port=0, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn tells it in no other way
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
