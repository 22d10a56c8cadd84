"""Calls of all the providers that litellm translates for: the one place where litellm is loaded and called.

Its import takes seconds, so it happens in a worker thread while the gateway starts, and only where a target needs it. All that litellm does besides
translating is switched off: its logging and callbacks, printing, fetching of tables and images, retries, redirects, proxies, dropping or bending of parameters.
Its connections are ours (``model_litellm_wire``), and nothing of it leaves here: neither types nor exceptions.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import warnings
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from gateway.domain import Json
from gateway.errors import ShuttingDown, UpstreamRejected
from gateway.infrastructure.model_client import ModelRequest, ProviderError, Reply, Slots, TargetOptions
from gateway.infrastructure.model_litellm_errors import failure_of, unusable
from gateway.infrastructure.model_litellm_forms import chat_arguments, completion_from, embedding_arguments, embeddings_from
from gateway.infrastructure.model_litellm_stream import LitellmStream
from gateway.infrastructure.upstream_answers import answer_of, embeddings_of

if TYPE_CHECKING:
    from gateway.infrastructure.model_litellm_wire import Pool, Rehearsal, Wire

_ENVIRONMENT: Final = {
    "LITELLM_MODE": "PRODUCTION",  # else it reads a .env file
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_RUST": "false",  # its native core has connections of its own
    "LITELLM_LOG": "CRITICAL",
}
"""What litellm reads while it is imported: no files, no network, one implementation."""

_SETTINGS: Final[dict[str, object]] = {
    "suppress_debug_info": True,  # else it prints on errors
    "set_verbose": False,
    "turn_off_message_logging": True,
    "redact_messages_in_exceptions": True,
    "log_raw_request_response": False,
    "disable_streaming_logging": True,
    "disable_token_counter": True,  # usage is the provider's, or the gateway counts
    "drop_params": False,
    "modify_params": False,
    "num_retries": None,
    "cache": None,
    "model_fallbacks": None,
    "max_budget": 0.0,
    "enable_anthropic_prompt_caching": False,
    "use_litellm_proxy": False,
    "client_session": None,
    "aclient_session": None,
    "disable_aiohttp_trust_env": True,
    "user_url_validation": True,
    "REPEATED_STREAMING_CHUNK_LIMIT": 1 << 31,  # whether an answer repeats itself is not for a client to judge
}

_PLAIN: Final = {"_skip_mcp_handler": True}
"""Else a call with tools loads litellm's own tool server, which needs packages that do not come with it."""

_STREAMED: Final = {"stream": True, "stream_options": {"include_usage": True}, **_PLAIN}

_REHEARSED: Final[Json] = {
    "model": "anthropic/claude-sonnet-4-5",
    "api_key": "none",
    "api_base": "http://localhost",
    "messages": [{"role": "user", "content": "ready?"}],
    "tools": [{"type": "function", "function": {"name": "ready", "parameters": {"type": "object", "properties": {}}}}],
    **_PLAIN,
}

_CALLBACKS: Final = ("input_callback", "success_callback", "failure_callback", "service_callback", "callbacks")
_LOGGERS: Final = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "litellm", "httpx", "httpcore", "openai")


class Library(NamedTuple):
    """litellm, loaded and quiet."""

    litellm: Any
    wire: Any
    """The module ``model_litellm_wire``, which needs what comes with litellm."""
    internal: Any
    """A context variable of litellm's: calls made under it are not logged."""


@cache
def load() -> Library:
    """Import litellm and switch off all that is not translation. Takes seconds: for a worker thread. Once per process."""
    os.environ.update(_ENVIRONMENT)
    # Loaded here and not above: a gateway without such a target never pays for it.
    litellm = importlib.import_module("litellm")
    handler = importlib.import_module("litellm.llms.custom_httpx.http_handler").AsyncHTTPHandler
    wire = importlib.import_module("gateway.infrastructure.model_litellm_wire")
    for name, value in _SETTINGS.items():
        setattr(litellm, name, value)
    for name in _CALLBACKS:
        setattr(litellm, name, [])
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL)
    # Every client that litellm makes, for whichever provider, asks these for its transport.
    handler.create_async_transport = handler._create_async_transport = staticmethod(wire.transport)  # noqa: SLF001 - the other of its two names
    library = Library(litellm, wire, importlib.import_module("litellm._internal_context").is_internal_call)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how litellm declares its types
        asyncio.run(_rehearse(library))
    return library


async def _rehearse(library: Library) -> None:
    """Make a call and a stream that go nowhere: what litellm loads and builds at its first call would hold that one up for half a second."""
    await _called(library, library.wire.Rehearsal(), library.litellm.acompletion, _REHEARSED)
    async for chunk in await _called(library, library.wire.Rehearsal(), library.litellm.acompletion, _REHEARSED | _STREAMED):
        chunk.model_dump()


async def _called(library: Library, wire: Wire | Rehearsal, function: Callable[..., Awaitable[Any]], arguments: Json) -> Any:
    """Call litellm so that its requests go over ``wire``, and that it logs nothing."""
    call, internal = library.wire.CALL.set(wire), library.internal.set(True)
    try:
        return await function(**arguments)
    finally:
        library.internal.reset(internal)
        library.wire.CALL.reset(call)


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
            given = await self._ask(library, wire, library.litellm.acompletion, arguments | _PLAIN)
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
        arguments = chat_arguments(request.body, self._supported, self._options.name) | _STREAMED
        if arguments.get("n", 1) != 1:
            # litellm knows one finish reason per stream: it would end at the first choice that has one.
            raise UpstreamRejected(f"The target {self._options.name} streams one choice alone.", upstream_status=400, param="n")
        now = asyncio.get_running_loop().time()
        self._slots.take()
        stream = LitellmStream(wire, self._options, self._slots.release, started=now)
        try:
            await stream.open(_called(library, wire, _streaming(library), self._arguments | arguments))
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
                given: Json = (await _called(library, wire, function, self._arguments | arguments)).model_dump()
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
