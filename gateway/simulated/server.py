"""The simulated provider as an HTTP server."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

import orjson
from aiohttp import web

from gateway.domain import Json
from gateway.simulated import faults
from gateway.simulated.answers import answer_for, error_body, events, model_list, whole
from gateway.simulated.embeddings import PATH as EMBEDDINGS
from gateway.simulated.embeddings import EmbeddingsPrompt, embeddings_answer, embeddings_prompt
from gateway.simulated.prompt import Prompt, matches, prompt_of
from gateway.simulated.script import TEMPLATE, Fault, Rule, Script
from gateway.simulated.script_reader import parse_script

_ECHO = Rule()


_READERS = {"/v1/chat/completions": prompt_of, EMBEDDINGS: embeddings_prompt}


class Received(NamedTuple):
    """One request as it came."""

    at_ns: int
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class SimulatedProvider:
    """A provider on a port of its own: ``async with SimulatedProvider(script) as provider``, then call ``provider.base_url``.

    ``script`` may be the YAML text of one. With ``log``, every request is appended to that file before it is answered, a JSON line each:
    ``{"at_ns", "path", "body"}``.
    """

    def __init__(self, script: Script | str = "", *, host: str = "127.0.0.1", port: int = 0, log: Path | None = None, keep: bool = True) -> None:
        self._script = parse_script(script) if isinstance(script, str) else script
        self._host = host
        self._port = port
        self._log_path = log
        self._log: BinaryIO | None = None
        self._keep = keep
        self._fired: Counter[int] = Counter()
        self._matched: Counter[int] = Counter()
        self._answered: Counter[int] = Counter()
        self._static: dict[tuple[int, int, str, bool, bool], tuple[str, list[bytes]]] = {}
        self._runner: web.ServerRunner | None = None
        self.requests: list[Received] = []
        """Every request so far, unless ``keep`` is off."""
        self.aborted = 0
        """Requests whose caller went away before the answer had ended."""
        self.answering = 0
        """Requests that are being answered now."""

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"http://{self._host}:{self._port}/v1"

    async def start(self) -> None:
        """Listen. Raises ``OSError`` where the port is taken."""
        if self._log_path is not None:
            self._log = self._log_path.open("ab")
        self._runner = web.ServerRunner(web.Server(self._serve, handler_cancellation=True, access_log=None), handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop at once; running answers are cut."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._log is not None:
            self._log.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.content.read()
        self._note(request, raw)
        if request.path == "/v1/models" and request.method == "GET":
            return _json(model_list(self._script.models))
        reader = _READERS.get(request.path)
        if reader is None or request.method != "POST":
            return _json(error_body("Not served by the simulated provider", "not_found", "invalid_request_error"), 404)
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            return _json(error_body("The body is not a JSON object", "invalid_json", "invalid_request_error"), 400)
        self.answering += 1
        try:
            return await self._answer(request, reader(body, {name.lower(): value for name, value in request.headers.items()}))
        except (asyncio.CancelledError, ConnectionError):
            self.aborted += 1
            raise
        finally:
            self.answering -= 1

    def _note(self, request: web.BaseRequest, raw: bytes) -> None:
        at_ns = time.time_ns()
        if self._keep:
            self.requests.append(Received(at_ns, request.path, {name.lower(): value for name, value in request.headers.items()}, raw))
        if self._log is not None:
            self._log.write(orjson.dumps({"at_ns": at_ns, "path": request.path, "body": raw.decode(errors="backslashreplace")}) + b"\n")
            self._log.flush()

    async def _answer(self, request: web.BaseRequest, prompt: Prompt) -> web.StreamResponse:
        at, rule = next(((at, rule) for at, rule in enumerate(self._script.rules) if self._matches(at, rule, prompt)), (-1, _ECHO))
        fault = self._fault(at, rule)
        turn = self._turn(at, rule, fault)
        if rule.replies:
            rule = replace(rule, reply=rule.replies[turn])
        early = None if fault is None else _instead(request, prompt, fault)
        if early is not None:
            return early
        if fault is not None and fault.value == "header":
            await asyncio.sleep(fault.hang_s)
            fault = None
        if fault is not None and fault.kind == "content":
            at, rule, fault = -1, faults.wrong_content(fault, rule), None
        good, parts = self._parts((at, turn), rule, prompt)
        content_type, planned = (good, list[faults.Part](parts)) if fault is None else faults.spoil(fault, parts, stream=prompt.stream)
        return await self._send(request, _Plan(rule, content_type, planned, prompt.stream, fault is None))

    def _matches(self, at: int, rule: Rule, prompt: Prompt) -> bool:
        """Whether this rule answers; if it may do so some times only, this is one of them."""
        if not matches(rule.when, prompt) or (rule.times is not None and self._matched[at] >= rule.times):
            return False
        self._matched[at] += 1
        return True

    def _turn(self, at: int, rule: Rule, fault: Fault | None) -> int:
        """Which of the rule's replies is said now. A fault in the place of the answer uses none up."""
        turn = min(self._answered[at], max(0, len(rule.replies) - 1))
        self._answered[at] += fault is None or fault.value == "header"
        return turn

    def _fault(self, at: int, rule: Rule) -> Fault | None:
        fault = rule.fault
        if fault is None or (fault.times is not None and self._fired[at] >= fault.times):
            return None
        self._fired[at] += 1
        return fault

    def _parts(self, place: tuple[int, int], rule: Rule, prompt: Prompt) -> tuple[str, list[bytes]]:
        """An ordinary answer. One that quotes nothing of the request is made once, so that the provider is no bottleneck of a bench.

        ``place`` tells rules and the turns of their replies apart; the rule is -1 where it stands in no script.
        """
        if isinstance(prompt, EmbeddingsPrompt):
            return faults.JSON, [embeddings_answer(rule, prompt)]
        static = place[0] >= 0 and _is_static(rule) and not prompt.body.keys() & {"n", "logprobs"}
        key = (*place, prompt.model, prompt.stream, prompt.include_usage) if static else None
        known = self._static.get(key) if key is not None else None
        if known is not None:
            return known
        answer = answer_for(rule, prompt)
        parts = list(events(answer, include_usage=prompt.include_usage)) if prompt.stream else [whole(answer)]
        made = (faults.EVENTS if prompt.stream else faults.JSON, parts)
        if key is not None:
            self._static[key] = made
        return made

    async def _send(self, request: web.BaseRequest, plan: _Plan) -> web.StreamResponse:
        if not plan.content_type:
            return _raw(request, plan.parts)
        first_token_s = plan.rule.first_token_ms / 1000
        if not plan.stream:
            await _pause(first_token_s)
            if plan.good:
                return web.Response(body=_joined(plan.parts), content_type=plan.content_type)
        response = web.StreamResponse(headers={"content-type": plan.content_type, "cache-control": "no-cache"})
        await response.prepare(request)
        if plan.stream:
            await _pause(first_token_s)
        if await _write_all(request, response, plan):
            await response.write_eof()
        return response


def _instead(request: web.BaseRequest, prompt: Prompt, fault: Fault) -> web.Response | None:
    """What a fault that leaves nothing of the answer does in its place."""
    if fault.kind == "status":
        return faults.status_response(fault, prompt, orjson.dumps)
    if fault.value != "before":
        return None
    faults.reset(request)
    return web.Response()


class _Plan(NamedTuple):
    rule: Rule
    content_type: str
    parts: list[faults.Part]
    stream: bool
    good: bool
    """No fault among the parts: they are all bytes."""


async def _write_all(request: web.BaseRequest, response: web.StreamResponse, plan: _Plan) -> bool:
    """Send the parts at their pace; ``False`` if one of them ended the connection."""
    pace_s = plan.rule.pace_ms / 1000
    parts = plan.parts if pace_s or not plan.good else [_joined(plan.parts)]
    for part in parts:
        if not await faults.write(request, response, part):
            return False
        await _pause(pace_s)
    return True


async def _pause(seconds: float) -> None:
    if seconds:
        await asyncio.sleep(seconds)


def _joined(parts: list[faults.Part]) -> bytes:
    return b"".join(part for part in parts if isinstance(part, bytes))


def _raw(request: web.BaseRequest, parts: list[faults.Part]) -> web.StreamResponse:
    """Bytes in the place of HTTP."""
    if request.transport is not None:
        request.transport.write(_joined(parts))
        request.transport.close()
    return web.Response()


def _is_static(rule: Rule) -> bool:
    return (
        not rule.tool_calls
        and not TEMPLATE.search(f"{rule.reply} {rule.refusal}")
        and (isinstance(rule.chunks, int) or not TEMPLATE.search("".join(rule.chunks)))
    )


def _json(body: Json, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type=faults.JSON)
