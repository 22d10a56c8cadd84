"""Real stand-ins for tests of the gateway and of what is built on it: a whole gateway in this process, in front of a simulated provider.

Nothing here is a mock: the database is a file, the policy is Rego in the real engine, the provider is a real HTTP server. Only the caller's socket is
left out: requests are handed to the ASGI application, which has the same code in front as ``gateway run``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from gateway.app import Gateway, build, running
from gateway.capabilities.keys import KeyStore
from gateway.domain import Json
from gateway.settings import Settings, load
from gateway.simulated.server import SimulatedProvider
from gateway.surfaces.http_request import Message

CONFIG = """\
keys: {{api_key_hash: 'env:HASH', record_signing: 'env:SIGNING'}}
database: gateway.db
tenants:
  acme: {{placeholder_key: 'env:ACME', payload_key: 'env:ACME_PAYLOAD', redaction: {{words: {{PROJECT: [bluebird]}}}}}}
  globex: {{placeholder_key: 'env:GLOBEX', payload_key: 'env:GLOBEX_PAYLOAD'}}
targets:
  simulated:
    base_url: {base_url}
    model: simulated-1
    price: {{input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.60}}
    limits: {limits}
    breaker: {{failures: 1000}} # what one test breaks is not to fail the next call
{targets}
routes:
  assistant: {assistant}
  assistant-large: {{target: simulated, retries: {{max: 0}}}}
{routes}
queues: {queues}
waiting: {waiting}
policy: {{path: {policies}, reload_s: 0.1}}
records: {{heads: heads, durability: process}}
telemetry: {telemetry}
"""
ENV = {
    "HASH": "0123456789abcdef" * 4,
    "SIGNING": bytes(range(32)).hex(),
    "ACME": "acme-0123456789-placeholder",
    "GLOBEX": "globex-9876543210-placeholder",
    "ACME_PAYLOAD": "acme-0123456789-payloads-0123456789",
    "GLOBEX_PAYLOAD": "globex-9876543210-payloads-9876543210",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The targets and the main route of a local gateway, as YAML."""

    assistant: str = "{target: simulated, aliases: [gpt-4o-mini], retries: {max: 0}}"
    """The route ``assistant``."""
    limits: str = "{}"
    """Of the target ``simulated``."""
    targets: Mapping[str, str] = field(default_factory=dict)
    """More targets at the same provider, by name: their entries besides ``base_url``, such as ``model: simulated-2``."""
    routes: Mapping[str, str] = field(default_factory=dict)
    """More routes, by name."""
    queues: str = "{default: {}}"
    """``{}`` for a gateway that nobody decides for."""
    waiting: str = "{sweep_s: 0.1, poll_s: 0.05}"
    """How intents that wait for people are kept."""


def config_text(base_url: str, policies: Path, *, routing: Routing | None = None, telemetry: str = "{logs: {level: error}}") -> str:
    """The config of a local gateway in front of a provider at ``base_url``; its secrets are in ``ENV``."""
    made = routing or Routing()
    more = "\n".join(f"  {name}: {{base_url: {base_url}, {entries}}}" for name, entries in made.targets.items())
    return CONFIG.format(
        base_url=base_url,
        policies=policies,
        limits=made.limits,
        telemetry=telemetry,
        targets=more,
        assistant=made.assistant,
        routes="\n".join(f"  {name}: {entry}" for name, entry in made.routes.items()),
        queues=made.queues,
        waiting=made.waiting,
    )


ALLOW_ALL = {
    "intent.rego": "package gateway.intent\n\nimport rego.v1\n\n"
    'verdict := {"outcome": "allow", "reasons": [], "obligations": {"reveal": {"model": [], "caller": [], "record": []}}}\n',
    "answer.rego": "package gateway.answer\n\nimport rego.v1\n\n"
    'verdict := {"outcome": "allow", "reasons": [], "obligations": {"reveal": {"caller": [], "record": []}}}\n',
}
"""The smallest policy that allows: everything that is found is hidden from everybody."""


@dataclass(slots=True)
class Reply:
    """What a caller got."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Json:
        """The body of a plain answer."""
        value: Json = orjson.loads(self.body)
        return value

    @property
    def events(self) -> list[Json]:
        """The events of a stream, without ``[DONE]``."""
        lines = [line[6:] for line in self.body.split(b"\n") if line.startswith(b"data: ")]
        return [orjson.loads(line) for line in lines if line != b"[DONE]"]

    @property
    def done(self) -> bool:
        """Whether the stream came to its end mark."""
        return self.body.endswith(b"data: [DONE]\n\n")

    @property
    def text(self) -> str:
        """The content of the first choice, streamed or not."""
        if not self.headers.get("content-type", "").startswith("text/event-stream"):
            return self.json["choices"][0]["message"]["content"] or ""
        deltas = [choice["delta"] for event in self.events for choice in event.get("choices", ()) if choice["index"] == 0]
        return "".join(delta.get("content") or "" for delta in deltas)


@dataclass(slots=True, kw_only=True)
class LocalGateway:
    """A running gateway and what a test needs to drive it and to look at it."""

    gateway: Gateway
    settings: Settings
    provider: SimulatedProvider
    keys: dict[tuple[str, ...], str] = field(default_factory=dict)

    def key(
        self,
        tenant: str = "acme",
        *,
        name: str = "test",
        teams: tuple[str, ...] = ("support",),
        roles: tuple[str, ...] = (),
        routes: tuple[str, ...] = ("*",),
    ) -> str:
        """A key of a tenant; the same key for the same arguments. Another ``name`` is another person."""
        wanted = (tenant, name, *teams, "|", *roles, "|", *routes)
        if wanted not in self.keys:
            store = KeyStore(self.gateway.database, self.settings.keys.api_key_hash.reveal())
            self.keys[wanted], _ = store.create(tenant=tenant, name=name, teams=teams, roles=roles, routes=routes, expires_ns=None)
            self.gateway.services.keys.refresh()
        return self.keys[wanted]

    async def chat(self, body: Any, *, key: str | None = None, headers: Mapping[str, str] | None = None, leave_after: int | None = None) -> Reply:
        """Call ``/v1/chat/completions``. ``body`` is sent as it is if it is bytes; ``leave_after`` goes away after so many parts of the answer."""
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        whole = {"content-type": "application/json", "authorization": f"Bearer {key or self.key()}", **(headers or {})}
        return await self.request("POST", "/v1/chat/completions", whole, raw, leave_after)

    async def ask(self, text: str, *, key: str | None = None, **parameters: Any) -> Reply:
        """One user message to route ``assistant``."""
        return await self.chat({"model": "assistant", "messages": [{"role": "user", "content": text}], **parameters}, key=key)

    async def get(self, path: str, *, key: str | None = None, headers: Mapping[str, str] | None = None, client: str = "127.0.0.1") -> Reply:
        """A GET, from ``client``'s address."""
        credentials = {"authorization": f"Bearer {key}"} if key else {}
        return await self.request("GET", path, {**credentials, **(headers or {})}, b"", client=client)

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, leave_after: int | None = None, client: str = "127.0.0.1"
    ) -> Reply:
        """Any request; ``path`` with its query."""
        exchange = _Exchange(body, leave_after)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path.partition("?")[0],
            "raw_path": path.partition("?")[0].encode(),
            "query_string": path.partition("?")[2].encode(),
            "root_path": "",
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
            "client": (client, 50_000),
            "server": ("127.0.0.1", 8080),
        }
        # uvicorn runs each request as a task of its own, which the gateway cancels when the client leaves.
        await asyncio.gather(asyncio.create_task(self.gateway.front(scope, exchange.receive, exchange.send)), return_exceptions=False)
        return exchange.reply

    async def entries(self, tenant: str = "acme") -> list[Json]:
        """The bodies of a tenant's record entries, oldest first, as they stand in the database."""

        def read() -> list[Json]:
            with self.gateway.database.read() as connection:
                rows = connection.exec_driver_sql("SELECT body FROM entries WHERE tenant = ? ORDER BY rowid", (tenant,)).fetchall()
            return [orjson.loads(row[0]) for row in rows]

        return await asyncio.to_thread(read)


class _Exchange:
    """The two halves of an ASGI conversation."""

    def __init__(self, body: bytes, leave_after: int | None) -> None:
        self.reply = Reply()
        self._messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._leave_after = leave_after
        self._parts = 0
        self._left = asyncio.Event()
        if leave_after == 0:
            self._left.set()

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop(0)
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.reply.status = message["status"]
            self.reply.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
            return
        self.reply.body += message.get("body", b"")
        self._parts += 1
        if not message.get("more_body") or self._parts == self._leave_after:
            self._left.set()
        await asyncio.sleep(0)


@asynccontextmanager
async def local_gateway(
    folder: Path,
    script: str = "",
    *,
    policies: Path | Mapping[str, str] = ALLOW_ALL,
    routing: Routing | None = None,
    telemetry: str = "{logs: {level: error}}",
    changes: Mapping[str, str] | None = None,
) -> AsyncIterator[LocalGateway]:
    """A running gateway with its data in ``folder``.

    Args:
        folder: An empty folder.
        script: The simulated provider's script, YAML.
        policies: A folder of Rego, or files to write into one.
        routing: Its targets and main route.
        telemetry: The ``telemetry`` part of the config, as YAML.
        changes: Replacements in the text of the config.
    """
    if isinstance(policies, Mapping):
        files, policies = policies, folder / "policies"
        policies.mkdir()
        for name, text in files.items():
            (policies / name).write_text(text)
    async with SimulatedProvider(script) as provider:
        text = config_text(provider.base_url, policies, routing=routing, telemetry=telemetry)
        for old, new in (changes or {}).items():
            if old not in text:
                raise ValueError(f"the config has no {old!r} to be replaced")
            text = text.replace(old, new)
        (folder / "config.yaml").write_text(text)
        settings = load(folder / "config.yaml", ENV)
        gateway = build(settings)
        async with running(gateway):
            yield LocalGateway(gateway=gateway, settings=settings, provider=provider)
