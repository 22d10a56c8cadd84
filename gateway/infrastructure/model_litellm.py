"""Calls of all the providers that litellm translates for.

What goes in is checked and translated, what comes out is rebuilt (``model_litellm_forms``), and nothing of litellm leaves here: neither types nor exceptions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson

from gateway.domain import Json
from gateway.errors import ShuttingDown, UpstreamRejected
from gateway.infrastructure.model_client import ModelRequest, ProviderError, Reply, Slots, TargetOptions
from gateway.infrastructure.model_litellm_errors import failure_of, unusable
from gateway.infrastructure.model_litellm_forms import chat_arguments, completion_from, embedding_arguments, embeddings_from
from gateway.infrastructure.model_litellm_library import PLAIN, STREAMED, Library, called, load
from gateway.infrastructure.model_litellm_stream import LitellmStream
from gateway.infrastructure.upstream_answers import answer_of, embeddings_of

if TYPE_CHECKING:  # it needs what comes with litellm
    from gateway.infrastructure.model_litellm_wire import Pool, Wire


class LitellmClient:
    """The connections to one target of a provider that litellm translates for: a ``ModelClient``."""

    def __init__(self, options: TargetOptions, provider: str, *, version: str = "0") -> None:
        self._options = options
        self._provider = provider
        self._version = version
        self._slots = Slots(options)
        self._library: Library | None = None
        self._pool: Pool | None = None
        self._supported: frozenset[str] = frozenset()
        self._arguments: Json = {
            "model": f"{provider}/{options.model}",
            "timeout": options.total_s,
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": False,
        }
        self._arguments |= {name: value for name, value in (("api_base", options.base_url), ("api_key", options.api_key)) if value is not None}

    @property
    def options(self) -> TargetOptions:
        """What this client was made from."""
        return self._options

    @property
    def in_use(self) -> int:
        """Calls and streams that hold a slot now."""
        return self._slots.in_use

    async def start(self) -> None:
        """Load litellm in a worker thread, once per process; connects to nobody yet.

        Raises:
            ProviderError: litellm does not know the provider.
        """
        library = await asyncio.to_thread(load)
        supported = None
        if self._provider in library.litellm.provider_list:
            supported = library.litellm.get_supported_openai_params(model=self._options.model, custom_llm_provider=self._provider)
        if supported is None:
            raise ProviderError(f"targets.{self._options.name}.provider: litellm does not know it. Use one of litellm's provider names, such as anthropic.")
        self._supported = frozenset(supported)
        self._pool = library.wire.Pool(self._options, self._version)
        self._library = library

    async def close(self) -> None:
        """Close every connection; calls that still run fail."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def complete(self, request: ModelRequest, traceparent: str | None = None) -> Reply:
        """Translate the request (``stream`` not set), send it and read the whole answer.

        Raises:
            Overloaded: the target's limit of concurrent calls is reached.
            UpstreamError: the target failed, or does not take the request; the subclass and its ``reason_code`` say how.
        """
        library, wire = self._ready(traceparent)
        arguments = chat_arguments(request.body, self._supported, self._options.name)
        self._slots.take()
        try:
            given = await self._ask(library, wire, library.litellm.acompletion, arguments | PLAIN)
            return self._reply(wire, completion_from(given), answer_of)
        finally:
            self._slots.release()

    async def embed(self, request: ModelRequest, traceparent: str | None = None) -> Reply:
        """Translate the request for embeddings, send it and read them.

        Raises:
            Overloaded: the target's limit of concurrent calls is reached.
            UpstreamError: the target failed, or does not take the request; the subclass and its ``reason_code`` say how.
        """
        library, wire = self._ready(traceparent)
        arguments = embedding_arguments(request.body, self._options.name)
        self._slots.take()
        try:
            given = await self._ask(library, wire, library.litellm.aembedding, arguments)
            return self._reply(wire, embeddings_from(given, request.body), embeddings_of)
        finally:
            self._slots.release()

    async def open_stream(self, request: ModelRequest, traceparent: str | None = None) -> LitellmStream:
        """Translate the request (with ``"stream": true``), send it and wait for the head of the answer.

        The stream holds its slot until it has ended or ``aclose`` was called: use it with ``async with``.

        Raises:
            Overloaded: the target's limit of concurrent calls is reached.
            UpstreamError: the target failed, or does not take the request; the subclass and its ``reason_code`` say how.
        """
        library, wire = self._ready(traceparent)
        arguments = chat_arguments(request.body, self._supported, self._options.name) | STREAMED
        if arguments.get("n", 1) != 1:
            # litellm knows one finish reason per stream: it would end at the first choice that has one.
            raise UpstreamRejected(f"The target {self._options.name} streams one choice alone.", upstream_status=400, param="n")
        now = asyncio.get_running_loop().time()
        self._slots.take()
        stream = LitellmStream(wire, self._options, self._slots.release, started=now)
        try:
            await stream.open(called(library, wire, _streaming(library), self._arguments | arguments))
        # Whatever it was goes on as it is; the connection and the slot are free first.
        except BaseException:
            await stream.aclose()
            raise
        return stream

    def _ready(self, traceparent: str | None) -> tuple[Library, Wire]:
        if self._library is None or self._pool is None:
            raise ShuttingDown("The gateway is shutting down.")
        return self._library, self._pool.wire(traceparent)

    def _reply(self, wire: Wire, body: Json, checked: Callable[[bytes, str], Json]) -> Reply:
        try:
            raw = orjson.dumps(body)
        except TypeError:
            raise unusable(self._options.name) from None
        return Reply(checked(raw, self._options.name), raw, wire.status or 200, wire.first_byte_ns, wire.request_bytes)

    async def _ask(self, library: Library, wire: Wire, function: Callable[..., Awaitable[Any]], arguments: Json) -> Json:
        """The whole answer as a dict, within the limit of time."""
        try:
            async with asyncio.timeout(self._options.total_s) as limit:
                given: Json = (await called(library, wire, function, self._arguments | arguments)).model_dump()
        # The border: whatever litellm raises becomes one of our errors.
        except Exception as error:  # noqa: BLE001
            raise failure_of(error, wire, self._options.name, late="total" if limit.expired() else None) from None
        finally:
            await wire.aclose()
        return given


def _streaming(library: Library) -> Callable[..., Awaitable[Any]]:
    async def streamed(**arguments: Any) -> Any:
        chunks = await library.litellm.acompletion(**arguments)
        if chunks.completion_stream is None:  # some providers are called by the first read alone
            await chunks.fetch_stream()
        return chunks

    return streamed
