"""What people see holds no value that policy did not reveal to them: canaries go in everywhere, and all that is shown, sent, logged and stored is searched."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from sqlalchemy import inspect as tables_of

from gateway.__main__ import cli
from gateway.testing import Reply
from tests.integration.canaries import Canary, Search, canaries
from tests.integration.people_stage import Hall, hall, policy
from tests.integration.talkative_upstream import talkative_upstream
from tests.integration.test_canaries import CHANGES, everywhere, json_log
from tests.servers.collector import Collector, collector
from tests.surfaces.people import People, served

SENT, BROUGHT = canaries(brought=False), canaries(brought=True)
SECRETS = [canary for canary in SENT if canary.secret]
BOTH = [canary for pair in zip(SENT, BROUGHT, strict=True) for canary in pair]
MODES = {"approve": "accept", "answer": "answer", "review": "edit"}
_SAYS = '{{"rule": "ask.people", "message": sprintf("look at %v", [substring({said}, 0, 400)])}}'
_LABELS = '"obligations": {{"labels": {{"said": substring({said}, 0, 190)}}, '


def telling(hook: str, **options: Any) -> str:
    """A policy that says all that it sees in reasons and labels, and wants two persons, so that the second one sees what the first one wrote."""
    said = "input.request.messages[0].content" if hook == "intent" else "input.answer.text"
    made = policy(hook, **options).replace('{"rule": "ask.people", "message": "a person has to look at it"}', _SAYS.format(said=said))
    made = made.replace('"obligations": {"reveal": object', _LABELS.format(said=said) + '"reveal": object')
    made = made.replace('"mode":"answer"', '"mode":"answer","min_approvers":2').replace('"mode":"review"', '"mode":"review","min_approvers":2')
    assert "look at" in made
    assert '"labels"' in made
    return made


class Watch:
    """Everything that is shown, sent, logged and stored."""

    def __init__(self, people: Hall, log: io.StringIO, traces: Collector, hooks: Collector) -> None:
        self.people, self.log, self.traces, self.hooks = people, log, traces, hooks
        self.shown: list[bytes] = []
        self.callers: list[bytes] = []

    async def see(self, method: str, path: str, body: Any = None, *, by: str = "Ada", status: int = 200) -> Reply:
        """What a reviewer gets."""
        reply = await self.people.call(method, path, body, key=self.people.reviewer(by))
        assert reply.status == status, reply.body
        self.shown.append(str(reply.headers).encode() + reply.body)
        return reply

    def stored(self) -> dict[str, bytes]:
        """Every row and every byte that is kept."""
        database = self.people.one.gateway.database
        with database.read() as connection:
            names = tables_of(connection).get_table_names()
            assert {"intents", "payloads", "tasks", "task_moves", "approvals", "entries"} <= set(names)
            found = {
                f"table {name}": b"\n".join(as_bytes(value) for row in connection.exec_driver_sql(f"SELECT * FROM {name}") for value in row) for name in names
            }
        files = [path for path in self.people.folder.rglob("*") if path.is_file() and path.suffix not in {".rego", ".yaml"}]
        return found | {f"file {path.name}": path.read_bytes() for path in files}

    async def places(self, intents: int) -> dict[str, bytes]:
        """All of it but what callers get, once every segment of these intents was traced, and a task that nobody decides was told of."""
        await self.people.park("approve", "one that waits on")
        for _ in range(200):
            if sum(body.count(b'"gateway.intent.id"') for body in list(self.traces.bodies)) > intents and self.hooks.bodies:
                break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError("not everything was traced and told")
        metrics = await self.people.one.get("/metrics")
        assert b"gateway_tasks_opened" in metrics.body
        return {
            **self.stored(),
            "shown": b"\n".join(self.shown),
            "log": self.log.getvalue().encode(),
            "traces": b"\n".join(self.traces.bodies),
            "webhooks": b"\n".join(self.hooks.bodies) + str(self.hooks.headers).encode(),
            "metrics": metrics.body,
            "upstream": b"\n".join(bytes(str(dict(one.headers)), "utf-8") + one.body for one in self.people.provider.requests),
        }


def as_bytes(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()


@asynccontextmanager
async def watched(folder: Path, *, files: dict[str, str] | None = None, changes: dict[str, str] | None = None) -> AsyncIterator[Watch]:
    """A gateway that logs everything, traces content, and tells a server of new tasks."""
    async with AsyncExitStack() as stack:
        traces, hooks, log = stack.enter_context(collector()), stack.enter_context(collector()), stack.enter_context(json_log())
        people = await stack.enter_async_context(
            hall(
                folder,
                files=files or {"intent.rego": telling("intent"), "answer.rego": telling("answer")},
                queues=f"{{default: {{webhook: {{url: '{hooks.endpoint}/hook', secret: 'env:HASH'}}}}}}",
                telemetry=f"{{traces: {{endpoint: '{traces.endpoint}', capture_content: true}}, logs: {{level: debug}}}}",
                changes={**CHANGES, **(changes or {})},
            )
        )
        yield Watch(people, log, traces, hooks)


async def decided(watch: Watch, mode: str, intent: str, task: str, says: Canary) -> None:
    """Two persons look at a task, claim it and decide about it; who writes brings a value along."""
    path = f"/v1/tasks/{task}"
    await watch.see("GET", path)
    await watch.see("POST", f"{path}/claim")
    await watch.see("POST", f"{path}/claim", by="Bob", status=409)
    body = {"action": MODES[mode], "comment": f"because {says.text}", **({} if mode == "approve" else {"content": f"instead {says.text}"})}
    await watch.see("POST", f"{path}/decide", body)
    if mode != "approve":
        seen = (await watch.see("GET", path, by="Bob")).json["version"]
        await watch.see("POST", f"{path}/decide", {"action": "accept", "comment": says.text, "version": seen}, by="Bob")
    reply = await watch.people.call("GET", f"/v1/intents/{intent}?wait=20", key=watch.people.key())
    assert reply.json["state"] == "completed", reply.body
    watch.callers.append(reply.body)
    await watch.see("GET", path)


@pytest.mark.parametrize(("mode", "stream"), [("approve", False), ("answer", True), ("review", False), ("review", True)])
async def test_nothing_that_callers_send_or_people_write_is_seen_by_whom_policy_does_not_reveal_it_to(tmp_path: Path, mode: str, stream: bool) -> None:
    async with watched(tmp_path) as watch:
        parked = []
        for sent in SENT:
            reply = await watch.people.one.chat(everywhere(sent, "", model=mode, stream=stream), key=watch.people.key(), headers={"x-gateway-wait": "0"})
            assert reply.headers.get("x-gateway-task"), reply.body
            watch.callers.append(str(reply.headers).encode() + reply.body)
            parked.append((reply.headers["x-gateway-record"], reply.headers["x-gateway-task"]))
        await watch.see("GET", "/v1/tasks?limit=200")
        assert Search(BOTH).hits(watch.stored()) == set()
        for (intent, task), says in zip(parked, BROUGHT, strict=True):
            await decided(watch, mode, intent, task, says)
        await watch.see("GET", "/v1/tasks?state=decided&limit=200")
        assert Search(BOTH).hits(await watch.places(2 * len(SENT))) == set()
        assert Search([*SECRETS, *BROUGHT]).hits({"callers": b"\n".join(watch.callers)}) == set()
        if mode != "answer":
            shown = await watch.people.command("records", "show", "--tenant", "acme", "--json", parked[0][0])
            assert Search(BOTH).hits({"record": shown.output.encode()}) == set()


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_what_a_model_brings_is_not_seen_by_people_either(tmp_path: Path, stream: bool) -> None:
    async with talkative_upstream() as upstream:
        talks = {"routes:\n": f"  talkative: {{base_url: '{upstream.url}', model: simulated-1}}\nroutes:\n  talks: {{target: talkative, buffered: true}}\n"}
        files = {name: telling(name[:-5]).replace('"review":', '"talks":') for name in ("intent.rego", "answer.rego")}
        async with watched(tmp_path, files=files, changes=talks) as watch:
            for brought in BROUGHT[:: 1 + stream]:
                upstream.text, upstream.value, upstream.finish, upstream.fault = brought.text, brought.identifier, "stop", ""
                reply = await watch.people.ask("talks", f"go on {brought.kind}", stream=stream)
                watch.callers.append(str(reply.headers).encode() + reply.body)
                task = reply.headers.get("x-gateway-task") or pending_task(reply)
                path = f"/v1/tasks/{task}"
                intent = (await watch.see("GET", path)).json["intent"]
                for by in ("Ada", "Bob"):
                    seen = (await watch.see("GET", path, by=by)).json["version"]
                    await watch.see("POST", f"{path}/decide", {"action": "accept", "version": seen}, by=by)
                watch.callers.append((await watch.people.call("GET", f"/v1/intents/{intent}?wait=20", key=watch.people.key())).body)
                await watch.see("GET", path)
            await watch.see("GET", "/v1/tasks?state=decided&limit=200")
            places = await watch.places(2 * len(BROUGHT[:: 1 + stream]))
            assert Search(BROUGHT).hits({**places, "callers": b"\n".join(watch.callers)}) == set()


def pending_task(reply: Reply) -> str:
    """Of a stream whose headers had left."""
    return str(next(event["gateway"]["task"]["id"] for event in reply.events if event.get("gateway")))


async def test_what_policy_reveals_to_people_and_no_secret_is_what_they_see(tmp_path: Path) -> None:
    """So that the silence of the other tests means something."""
    open_ones = {canary.kind for canary in SENT if not canary.secret}
    files = {name: telling(name[:-5], person=("*",)) for name in ("intent.rego", "answer.rego")}
    async with watched(tmp_path, files=files) as watch:
        for sent in SENT:
            reply = await watch.people.one.chat(everywhere(sent, "", model="approve"), key=watch.people.key(), headers={"x-gateway-wait": "0"})
            await watch.see("GET", f"/v1/tasks/{reply.headers['x-gateway-task']}")
        places = await watch.places(len(SENT))
        assert {hit.kind for hit in Search(SENT).hits({"shown": places.pop("shown")})} == open_ones
        assert Search(SENT).hits(places) == set()


async def test_a_terminal_shows_no_more_than_the_gateway_does(tmp_path: Path) -> None:
    async with watched(tmp_path) as watch:
        tasks = []
        for sent in SENT:
            reply = await watch.people.one.chat(everywhere(sent, "", model="review"), key=watch.people.key(), headers={"x-gateway-wait": "0"})
            tasks.append(reply.headers["x-gateway-task"])
        said, printed = "\n".join(canary.text for canary in BROUGHT), []
        async with served(People(local=watch.people.one)) as url:
            env = {**watch.people.env, "GATEWAY_KEY": watch.people.reviewer(), "GATEWAY_URL": url}

            async def command(*words: str, given: str | None = None) -> None:
                done = await asyncio.to_thread(CliRunner(env=env).invoke, cli, ["tasks", *words, "--config", str(tmp_path / "config-0.yaml")], input=given)
                assert done.exit_code == 0, done.output
                printed.append(done.output)

            for json in ([], ["--json"]):
                await command("list", *json)
                for task in tasks[::6]:
                    await command("show", task, *json)
                await command("claim", tasks[0], *json)
                await command("decide", tasks[len(json)], "--edit", "-", "--comment", said, *json, given=said)
                await command("show", tasks[len(json)], *json)
        everything = "\n".join(printed)
        assert tasks[0] in everything
        assert Search(BOTH).hits({"terminal": everything.encode(), **watch.stored()}) == set()
        assert orjson.loads(printed[-1])["context"]["draft"]["author"] == "Ada"
