"""Litellm, loaded late and quiet: the one file that imports it. All that it does besides translating is switched off here.

Its import takes seconds, so it happens in a worker thread while the gateway starts, and only where a target needs it. Off are its logging and callbacks,
printing, fetching of tables, retries, caches, proxies, counting of tokens, and dropping or bending of parameters; its connections are ours
(``model_litellm_wire``).
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import warnings
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from gateway.domain import Json

if TYPE_CHECKING:
    from gateway.infrastructure.model_litellm_wire import Rehearsal, Wire

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

PLAIN: Final = {"_skip_mcp_handler": True}
"""Else a call with tools loads litellm's own tool server, which needs packages that do not come with it."""

STREAMED: Final = {"stream": True, "stream_options": {"include_usage": True}, **PLAIN}

_REHEARSED: Final[Json] = {
    "model": "anthropic/claude-sonnet-4-5",
    "api_key": "none",
    "api_base": "http://localhost",
    "messages": [{"role": "user", "content": "ready?"}],
    "tools": [{"type": "function", "function": {"name": "ready", "parameters": {"type": "object", "properties": {}}}}],
    **PLAIN,
}

_CALLBACKS: Final = (
    "input_callback",
    "success_callback",
    "failure_callback",
    "service_callback",
    "callbacks",
    "_async_input_callback",
    "_async_success_callback",
    "_async_failure_callback",
)
_LOGGERS: Final = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "litellm", "httpx", "httpcore", "openai")


class _Deaf(list[Any]):
    """A list of callbacks that stays empty: some of litellm's modules put themselves there when they are loaded, and every call then pays for them."""

    def append(self, _: Any, /) -> None:
        """Take nothing."""

    def extend(self, _: Any, /) -> None:
        """Take nothing."""

    def insert(self, _: Any, __: Any, /) -> None:
        """Take nothing."""

    def __iadd__(self, _: Any) -> Self:  # type: ignore[misc] # as append
        return self


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
    importlib.import_module("openai.resources")  # which many providers' calls go through: its library loads it at the first one, for most of a second
    for name, value in _SETTINGS.items():
        setattr(litellm, name, value)
    for name in _CALLBACKS:
        setattr(litellm, name, _Deaf())
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL)
    # Every client that litellm makes, for whichever provider, asks these for its transport.
    handler.create_async_transport = handler._create_async_transport = staticmethod(wire.transport)  # noqa: SLF001 - the other of its two names
    library = Library(litellm, wire, importlib.import_module("litellm._internal_context").is_internal_call)
    for module in ("litellm", "pydantic"):
        warnings.filterwarnings("ignore", module=rf"{module}(\.|\Z)")  # those of its models quote the values that they hold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how litellm declares its types
        asyncio.run(_rehearse(library))
    return library


async def _rehearse(library: Library) -> None:
    """Make a call and a stream that go nowhere: what litellm loads and builds at its first call would hold that one up for half a second."""
    await called(library, library.wire.Rehearsal(), library.litellm.acompletion, _REHEARSED)
    async for chunk in await called(library, library.wire.Rehearsal(), library.litellm.acompletion, _REHEARSED | STREAMED):
        chunk.model_dump()


async def called(library: Library, wire: Wire | Rehearsal, function: Callable[..., Awaitable[Any]], arguments: Json) -> Any:
    """Call litellm so that its requests go over ``wire``, and that it logs nothing."""
    call, internal = library.wire.CALL.set(wire), library.internal.set(True)
    try:
        return await function(**arguments)
    finally:
        library.internal.reset(internal)
        library.wire.CALL.reset(call)
