"""What every client of a target offers, whichever library it speaks through: the pipeline knows this file, not the clients.

A call is made once: no retries, no redirects. Whatever goes wrong leaves as a class of ``gateway.errors``; nothing of the library behind a client is raised
or chained, as it may quote the prompt or the answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gateway.domain import Json
from gateway.errors import Overloaded


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """One target as compiled from the config. Limits of time are seconds."""

    name: str
    base_url: str | None
    """With its version path, without ``/chat/completions``: ``https://api.openai.com/v1``. ``None`` is the provider's own, for clients that know it."""
    model: str
    """The upstream's own name of the model."""
    api_key: str | None = field(default=None, repr=False)
    connect_s: float = 5.0
    """To a usable connection: name look-up, TCP and TLS."""
    first_token_s: float = 60.0
    """From the request to the first chunk that carries a choice. Streams only: a whole answer comes at once."""
    total_s: float = 600.0
    """From the request to the end of the answer."""
    concurrent: int = 256
    """Calls at a time, streams included."""
    max_answer_bytes: int = 16 << 20


class ProviderError(Exception):
    """A target cannot be made ready as the config has it; says where and what to do."""


class ModelRequest(NamedTuple):
    """What is sent to a target: the body, and the bytes that it was serialised to."""

    body: Json
    raw: bytes


class Reply(NamedTuple):
    """A whole answer."""

    body: Json
    raw: bytes
    """The bytes that ``body`` was parsed from, or that it was written to where it came in another form."""
    status: int
    first_byte_ns: int
    request_bytes: int


class AnswerStream(Protocol):
    """A streamed answer: iterate for batches of checked ``chat.completion.chunk`` objects (never empty).

    It ends well only once every choice has a ``finish_reason``, and raises ``UpstreamError`` otherwise, after the good chunks that came before.
    """

    def __aiter__(self) -> AsyncIterator[list[Json]]: ...

    async def __anext__(self) -> list[Json]: ...

    async def aclose(self) -> None:
        """Stop: the call is ended at once and its slot is free. Does nothing after the end."""


class ModelClient(Protocol):
    """A target that can be called. ``start`` and ``close`` belong to the running event loop.

    The calls raise ``Overloaded`` where the target's limit of concurrent calls is reached, ``ShuttingDown`` before ``start`` and after ``close``, and
    ``UpstreamError`` where the target failed; the subclass and its ``reason_code`` say how.
    """

    @property
    def options(self) -> TargetOptions:
        """What this client was made from."""

    @property
    def in_use(self) -> int:
        """Calls and streams that hold a slot now."""

    async def start(self) -> None:
        """Make ready what calls need; connects to nobody yet."""

    async def close(self) -> None:
        """Close every connection; calls that still run fail."""

    async def complete(self, request: ModelRequest, traceparent: str | None = None) -> Reply:
        """Ask for a chat completion (``stream`` not set) and read the whole answer."""

    async def open_stream(self, request: ModelRequest, traceparent: str | None = None) -> AnswerStream:
        """Ask for a streamed chat completion (``"stream": true``) and wait for its head."""

    async def embed(self, request: ModelRequest, traceparent: str | None = None) -> Reply:
        """Ask for embeddings, and read them."""


class Slots:
    """The calls that a target may have at a time."""

    __slots__ = ("_limit", "_target", "in_use")

    def __init__(self, options: TargetOptions) -> None:
        self._target = options.name
        self._limit = options.concurrent
        self.in_use = 0

    def take(self) -> None:
        """Hold one more.

        Raises:
            Overloaded: all are held.
        """
        if self.in_use >= self._limit:
            raise Overloaded(f"The target {self._target} is at its limit of concurrent calls. Try again in a moment.", headers={"Retry-After": "1"})
        self.in_use += 1

    def release(self) -> None:
        """Let one go."""
        self.in_use -= 1
